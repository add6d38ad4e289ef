package media

import (
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestStrainedWhileTicksComeLate(t *testing.T) {
	s := newShard(ReceiverConfig{Tick: defaultTick, Portable: true})
	now := time.Now()
	tick := func(after time.Duration) {
		now = now.Add(after)
		s.began(now)
	}
	for range 50 {
		tick(defaultTick)
	}
	tick(defaultTick + strainLag)
	if s.strainedAt(now) {
		t.Error("strained by a tick that is hardly late")
	}
	tick(defaultTick + strainLag + time.Millisecond)
	tick(defaultTick)
	if !s.strainedAt(now) || !s.strainedAt(now.Add(strainSpan-time.Second)) {
		t.Error("a tick came late and nothing is said")
	}
	if s.strainedAt(now.Add(strainSpan)) {
		t.Error("strained for longer than it lasts")
	}
}

func TestNoticeOfSmallBuffers(t *testing.T) {
	if !tickDrained {
		t.Skip("the size of a socket buffer cannot be read on this system")
	}
	var log strings.Builder
	r := newTestReceiver(t, ReceiverConfig{ReadBuffer: 1 << 30, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if n := r.Notices(); len(n) != 1 || !strings.Contains(n[0], "net.core.rmem_max = 1073741824") || !strings.Contains(log.String(), "rmem_max") {
		t.Errorf("notices %q, log %s", n, log.String())
	}
	if r := newTestReceiver(t, ReceiverConfig{ReadBuffer: 8192}); len(r.Notices()) != 0 || r.Strained() {
		t.Errorf("notices %q, strained %v", r.Notices(), r.Strained())
	}
}
