package store

import (
	"bufio"
	"io"
	"os"
	"time"
)

// Follower reads a tape while it is written, each record once. Not safe for
// concurrent use. It holds no file and no key between two calls of Next.
type Follower struct {
	s      *Store
	id     string
	reader *tapeReader
}

// FollowTape begins at a tape's first record.
func (s *Store) FollowTape(id string) *Follower {
	return &Follower{s: s, id: id, reader: &tapeReader{at: headerSize, id: id, ad: []byte(id)}}
}

// Next gives take what was flushed since, until a time, and reports whether
// that was all. Damage costs the records that it hit. Its errors are those of
// ReadTape.
func (f *Follower) Next(until time.Time, take func(Record)) (all bool, err error) {
	if _, err := began(f.id); err != nil {
		return false, err
	}
	key, size, _, err := f.s.tapeKey(f.id)
	if err != nil {
		return false, err
	}
	r := f.reader
	if size <= r.at {
		return true, nil
	}
	r.aead, err = gcm(key)
	clear(key) // a copy
	if err != nil {
		return false, err
	}
	file, err := os.Open(f.s.tapePath(f.id))
	if err != nil {
		return false, err
	}
	defer file.Close()
	r.in = bufio.NewReaderSize(io.NewSectionReader(file, r.at, size-r.at), 64<<10)
	r.clear = make([]byte, 0, blockMax)
	// What was read in clear is not kept for the next time, but for the beginning
	// of a record that goes on.
	defer func() {
		clear(r.clear[:cap(r.clear)])
		r.in, r.clear, r.aead = nil, nil, nil
	}()
	for {
		if !time.Now().Before(until) {
			return false, nil
		}
		more, err := r.block(func(rec Record, err error) bool {
			if err == nil {
				take(rec)
			}
			return true
		})
		if !more || err != nil {
			return true, err
		}
	}
}
