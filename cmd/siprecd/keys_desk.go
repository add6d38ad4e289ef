package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"time"

	"siprecd/store"
)

// secretMost bounds what is read as an identity, a recipient or a passphrase.
const secretMost = 1 << 16

func (d *desk) keyRoutes(mux *http.ServeMux) {
	for route, serve := range map[string]func(r *http.Request) (any, error){
		"GET /keys":              d.keysStatus,
		"GET /keys/check":        func(r *http.Request) (any, error) { return d.store.Keys.Check(r.Context()) },
		"POST /keys/unlock":      d.keysUnlock,
		"POST /keys/lock":        d.keysLock,
		"POST /keys/protect":     d.keysProtect,
		"POST /keys/custodian":   d.keysAdd,
		"PUT /keys/custodian":    d.keysReplace,
		"DELETE /keys/custodian": d.keysRemove,
	} {
		mux.HandleFunc(route, func(w http.ResponseWriter, r *http.Request) {
			v, err := serve(r)
			if err != nil {
				http.Error(w, err.Error(), http.StatusConflict)
				return
			}
			answer(w, v)
		})
	}
}

// secretOf reads what must not stand in a URL.
func secretOf(r *http.Request) (string, error) {
	b, err := io.ReadAll(io.LimitReader(r.Body, secretMost))
	return string(b), err
}

func (d *desk) keysStatus(*http.Request) (any, error) {
	s := keysStatus{Custodians: []store.Custodian{}, Days: []store.Day{}, Copies: []store.KeyCopy{}}
	s.Unlocked, s.Until = d.store.Keys.Unlocked()
	custodians, err := d.store.Keys.Custodians()
	if err != nil {
		return nil, err
	}
	copies, err := d.store.Keys.Copies()
	if err != nil {
		return nil, err
	}
	days, err := d.store.Keys.Days()
	s.Custodians, s.Days, s.Copies = append(s.Custodians, custodians...), append(s.Days, days...), append(s.Copies, copies...)
	s.Trouble = d.store.Keys.Trouble()
	return s, err
}

// unlocked is the answer to `siprecd keys unlock`.
type unlocked struct {
	Until time.Time `json:"until,omitzero"` // zero: for as long as the recorder runs
}

func (d *desk) keysUnlock(r *http.Request) (any, error) {
	text, err := secretOf(r)
	if err != nil {
		return nil, err
	}
	ids, err := store.ReadIdentity(bytes.NewReader([]byte(text)), func() (string, error) {
		return "", fmt.Errorf("the identity is still sealed with its passphrase")
	})
	if err != nil {
		return nil, err
	}
	span, err := time.ParseDuration(r.FormValue("for"))
	if err != nil || span <= 0 || span > 31*24*time.Hour {
		return nil, fmt.Errorf("unlocked for %q: write 8h, at most 744h", r.FormValue("for"))
	}
	until := time.Now().Add(span)
	if err := d.store.Keys.Unlock(ids, until); err != nil {
		d.refused("unlock", "", err)
		return nil, err
	}
	// Another custodian may have unlocked for longer.
	_, until = d.store.Keys.Unlocked()
	told := "the end of the run"
	if !until.IsZero() {
		told = until.UTC().Format(time.RFC3339)
	}
	d.store.Tell(store.Entry{Kind: store.EventUnlocked, Public: map[string]string{"until": told}})
	if d.rec != nil {
		d.rec.Retry()
	}
	return unlocked{Until: until}, nil
}

func (d *desk) keysLock(*http.Request) (any, error) {
	d.store.Keys.Lock()
	d.store.Tell(store.Entry{Kind: store.EventLocked})
	return "locked", nil
}

// change does something to a custodian, of which the keys tell the ledger.
func (d *desk) change(r *http.Request, what string, do func(name, secret string) error) (any, error) {
	secret, err := secretOf(r)
	if err != nil {
		return nil, err
	}
	return what, do(r.URL.Query().Get("name"), secret)
}

func (d *desk) keysProtect(r *http.Request) (any, error) {
	name := r.URL.Query().Get("name")
	done, err := d.change(r, "protected", d.store.Keys.Protect)
	if err == nil {
		d.store.Tell(store.Entry{Kind: store.EventCustodians, Row: map[string]string{"custodian": name}, Public: map[string]string{"what": "protected"}})
	}
	return done, err
}

func (d *desk) keysAdd(r *http.Request) (any, error) {
	return d.change(r, "added", d.store.Keys.AddCustodian)
}

func (d *desk) keysReplace(r *http.Request) (any, error) {
	return d.change(r, "replaced", d.store.Keys.ReplaceCustodian)
}

func (d *desk) keysRemove(r *http.Request) (any, error) {
	return d.change(r, "removed", func(name, _ string) error { return d.store.Keys.RemoveCustodian(name) })
}
