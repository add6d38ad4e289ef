package main

import (
	"context"
	"log/slog"
	"strings"
	"sync"
)

// errorKeeper is a slog.Handler that passes everything on and remembers the
// last errors for `siprecd status`.
type errorKeeper struct {
	slog.Handler
	kept *keptErrors
}

// keptErrors is shared by every handler made With attributes.
type keptErrors struct {
	mu   sync.Mutex // guards the next field
	last []recentError
}

const errorsKept = 8

// Handle implements slog.Handler.
func (k errorKeeper) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelError {
		var b strings.Builder
		b.WriteString(r.Message)
		r.Attrs(func(a slog.Attr) bool {
			b.WriteString(" " + a.Key + "=" + a.Value.String())
			return true
		})
		k.kept.add(recentError{At: r.Time, Text: b.String()})
	}
	return k.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (k errorKeeper) WithAttrs(as []slog.Attr) slog.Handler {
	return errorKeeper{k.Handler.WithAttrs(as), k.kept}
}

// WithGroup implements slog.Handler.
func (k errorKeeper) WithGroup(name string) slog.Handler {
	return errorKeeper{k.Handler.WithGroup(name), k.kept}
}

func (k *keptErrors) add(e recentError) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.last = append(k.last, e)
	if len(k.last) > errorsKept {
		k.last = k.last[1:]
	}
}

// newestFirst returns a copy.
func (k *keptErrors) newestFirst() []recentError {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := make([]recentError, 0, len(k.last))
	for i := len(k.last) - 1; i >= 0; i-- {
		out = append(out, k.last[i])
	}
	return out
}
