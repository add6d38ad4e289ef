package store

import (
	"slices"
	"sync"
)

// changing knows which recordings, by id, and which days are being changed: a
// body, its leaf and its facts come and go one after the other, and who looks in
// between must not take that for damage. Its zero value is ready.
type changing struct {
	mu       sync.Mutex // guards the rest
	now      map[string]int
	watching []*watch
}

// watch is one reading of the store. What was changed while it lasts, or was being
// changed when it began, it cannot judge.
type watch struct {
	of      *changing
	touched map[string]bool
}

// begin says that what names is being changed, until end is called.
func (c *changing) begin(what ...string) (end func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now == nil {
		c.now = make(map[string]int)
	}
	for _, name := range what {
		c.now[name]++
		for _, w := range c.watching {
			w.touched[name] = true
		}
	}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, name := range what {
			if c.now[name]--; c.now[name] == 0 {
				delete(c.now, name)
			}
		}
	}
}

// watch begins a reading; end ends it.
func (c *changing) watch() *watch {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := &watch{of: c, touched: make(map[string]bool)}
	for name := range c.now {
		w.touched[name] = true
	}
	c.watching = append(c.watching, w)
	return w
}

func (w *watch) end() {
	w.of.mu.Lock()
	defer w.of.mu.Unlock()
	w.of.watching = slices.DeleteFunc(w.of.watching, func(o *watch) bool { return o == w })
}

func (w *watch) changed(what string) bool {
	w.of.mu.Lock()
	defer w.of.mu.Unlock()
	return w.touched[what]
}
