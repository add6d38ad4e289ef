package store

import (
	"os"
	"sync/atomic"
	"time"
)

// syncer makes what the tapes wrote durable, for all of them at once.
type syncer struct {
	store *Store
	every time.Duration
	dir   *os.File // opened before the first write and kept: see syncFS

	dirty atomic.Bool
	soon  chan struct{} // one waiting request not to wait for the next tick
	stop  chan struct{}
	done  chan struct{}
}

func (s *Store) startSyncer(every time.Duration) (*syncer, error) {
	dir, err := s.sys.OpenFile(s.tapeDir(), os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	y := &syncer{
		store: s, every: every, dir: dir,
		soon: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	go y.run()
	return y, nil
}

func (y *syncer) run() {
	defer close(y.done)
	tick := time.NewTicker(y.every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-y.soon:
		case <-y.stop:
			y.syncDirty()
			return
		}
		y.syncDirty()
	}
}

// wrote says that a tape wrote something; urgent: that it should not wait.
func (y *syncer) wrote(urgent bool) {
	// Load first: a store by every tape every 100 ms would bounce the line
	// between the processors.
	if !y.dirty.Load() {
		y.dirty.Store(true)
	}
	if urgent {
		select {
		case y.soon <- struct{}{}:
		default:
		}
	}
}

func (y *syncer) syncDirty() {
	// Cleared before the sync: what is written while it runs waits for the next.
	if !y.dirty.Swap(false) {
		return
	}
	// What fails is noted by the store: see watched.
	if y.store.sys.SyncFS != nil {
		y.store.sys.SyncFS(y.dir)
	} else {
		y.syncEach()
	}
}

// syncEach syncs every open tape and the directory of them.
func (y *syncer) syncEach() {
	for _, t := range y.store.openTapes() {
		t.sync()
	}
	y.store.sys.syncDir(y.dir.Name())
}

func (y *syncer) close() error {
	close(y.stop)
	<-y.done
	return y.dir.Close()
}
