// Package storetest holds the conformance tests of the store's two seams: an
// engine passes them in a test of a few lines.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"siprecd/store"
)

// TestBlobs tests an engine. Each call of open returns an empty one.
func TestBlobs(t *testing.T, open func(t *testing.T) store.Blobs) {
	day := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	id := store.NewID(day)
	body := bytes.Repeat([]byte("pcmu"), 10_000)

	t.Run("nothing is visible until commit", func(t *testing.T) {
		b := open(t)
		w := create(t, b, id, "wav", day, body)
		expect(t, b)
		name, err := b.Name(id, "wav", day)
		check(t, err)
		if _, err := b.Open(t.Context(), name); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("open before commit: %v, want ErrNotFound", err)
		}
		committed, err := w.Commit()
		check(t, err)
		if committed != name {
			t.Errorf("committed as %q, Name says %q", committed, name)
		}
		expect(t, b, store.Stored{Name: name, ID: id, Size: int64(len(body))})
		w.Abort()
		if got := read(t, b, name); !bytes.Equal(got, body) {
			t.Errorf("read back %d bytes that differ, after an Abort that should do nothing", len(got))
		}
	})

	t.Run("an aborted body leaves nothing", func(t *testing.T) {
		b := open(t)
		w := create(t, b, id, "wav", day, body)
		w.Abort()
		w.Abort()
		expect(t, b)
		if _, err := w.Commit(); err == nil {
			t.Error("commit after abort succeeded")
		}
		if _, err := w.Write(body); err == nil {
			t.Error("write after abort succeeded")
		}
	})

	t.Run("sweep forgets what nobody committed", func(t *testing.T) {
		b := open(t)
		kept := commit(t, b, id, "wav", day, body)
		create(t, b, store.NewID(day), "flac", day, body)
		check(t, b.Sweep(t.Context(), time.Time{}))
		expect(t, b, store.Stored{Name: kept, ID: id, Size: int64(len(body))})
	})

	t.Run("commit replaces", func(t *testing.T) {
		b := open(t)
		commit(t, b, id, "wav", day, body)
		name := commit(t, b, id, "wav", day, []byte("second"))
		if got := read(t, b, name); string(got) != "second" {
			t.Errorf("read %d bytes of the first", len(got))
		}
	})

	t.Run("a body is read anywhere", func(t *testing.T) { testRandomAccess(t, open(t), id, day) })
	t.Run("facts", func(t *testing.T) { testFacts(t, open(t), id, day) })

	t.Run("a cancelled write fails", func(t *testing.T) {
		b := open(t)
		ctx, cancel := context.WithCancel(t.Context())
		w, err := b.Create(ctx, id, "wav", day)
		check(t, err)
		defer w.Abort()
		cancel()
		if _, err := w.Write(body); !errors.Is(err, context.Canceled) {
			t.Errorf("write: %v, want the cancellation", err)
		}
	})

	t.Run("names from outside lead nowhere", func(t *testing.T) {
		b := open(t)
		for _, name := range []string{
			"", "/", "..", "../lock", "vault", "vault/2026/03/01/../../../../run.key", "/etc/passwd",
			"vault/2026/03/01/" + id + ".wav/x", "vault/2026/03/01/x.wav", "vault/2026/03/01/" + id + ".json",
		} {
			if _, err := b.Open(t.Context(), name); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("open %q: %v, want ErrNotFound", name, err)
			}
			if err := b.PutFacts(t.Context(), name, []byte("{}")); err == nil {
				t.Errorf("facts at %q accepted", name)
			}
		}
		for _, bad := range []string{"", "../x", "01ARZ3NDEKTSV4RRFFQ69G5FA", "01arz3ndektsv4rrffq69g5fav", "0/ARZ3NDEKTSV4RRFFQ69G5FAV"} {
			if _, err := b.Create(t.Context(), bad, "wav", day); err == nil {
				t.Errorf("id %q accepted", bad)
			}
		}
		for _, ext := range []string{"", "/", "../x", "json", "wav.part", "a b"} {
			if w, err := b.Create(t.Context(), id, ext, day); err == nil {
				w.Abort()
				t.Errorf("extension %q accepted", ext)
			}
		}
	})
}

func testRandomAccess(t *testing.T, b store.Blobs, id string, day time.Time) {
	name := commit(t, b, id, "wav", day, []byte("0123456789"))
	body, err := b.Open(t.Context(), name)
	check(t, err)
	defer body.Close()
	if body.Size() != 10 {
		t.Errorf("size %d, want 10", body.Size())
	}
	p := make([]byte, 3)
	if _, err := body.ReadAt(p, 4); err != nil || string(p) != "456" {
		t.Errorf("ReadAt 4: %q, %v", p, err)
	}
	if _, err := body.Seek(-2, io.SeekEnd); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(body); err != nil || string(rest) != "89" {
		t.Errorf("after Seek: %q, %v", rest, err)
	}
	// A player goes on playing while retention removes what it plays.
	check(t, b.Remove(t.Context(), name))
	if _, err := body.ReadAt(p, 0); err != nil || string(p) != "012" {
		t.Errorf("ReadAt of a removed body: %q, %v", p, err)
	}
}

func testFacts(t *testing.T, b store.Blobs, id string, day time.Time) {
	ctx := t.Context()
	name := commit(t, b, id, "wav", day, []byte("x"))
	check(t, b.PutFacts(ctx, name, []byte("first")))
	check(t, b.PutFacts(ctx, name, []byte("second")))

	other := store.NewID(day.AddDate(0, 0, 1))
	alone, err := b.Name(other, "", day.AddDate(0, 0, 1))
	check(t, err)
	check(t, b.PutFacts(ctx, alone, []byte("alone")))
	for where, want := range map[string]string{name: "second", alone: "alone"} {
		if got, err := b.Facts(ctx, where); err != nil || string(got) != want {
			t.Errorf("facts of %s: %q, %v, want %q", where, got, err, want)
		}
	}
	missing, err := b.Name(store.NewID(day), "wav", day)
	check(t, err)
	if _, err := b.Facts(ctx, missing); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("facts of nothing: %v, want ErrNotFound", err)
	}
	expect(t, b,
		store.Stored{Name: name, ID: id, Size: 1, Facts: []byte("second")},
		store.Stored{Name: alone, ID: other, Size: -1, Facts: []byte("alone")})
	if _, err := b.Open(ctx, alone); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("open facts alone: %v, want ErrNotFound", err)
	}
	for range b.All(ctx, time.Now().Add(time.Hour)) {
		t.Error("All yields what was not changed since")
	}

	check(t, b.Remove(ctx, name))
	check(t, b.Remove(ctx, name))
	check(t, b.Remove(ctx, alone))
	expect(t, b)
}

func create(t *testing.T, b store.Blobs, id, ext string, day time.Time, body []byte) store.BlobWriter {
	t.Helper()
	w, err := b.Create(t.Context(), id, ext, day)
	check(t, err)
	t.Cleanup(w.Abort)
	for part := range slices.Chunk(body, 1000) {
		if n, err := w.Write(part); err != nil || n != len(part) {
			t.Fatalf("write: %d, %v", n, err)
		}
	}
	return w
}

func commit(t *testing.T, b store.Blobs, id, ext string, day time.Time, body []byte) string {
	t.Helper()
	name, err := create(t, b, id, ext, day, body).Commit()
	check(t, err)
	return name
}

func read(t *testing.T, b store.Blobs, name string) []byte {
	t.Helper()
	body, err := b.Open(t.Context(), name)
	check(t, err)
	defer body.Close()
	p, err := io.ReadAll(body)
	check(t, err)
	return p
}

// expect checks that All yields these, in this order.
func expect(t *testing.T, b store.Blobs, want ...store.Stored) {
	t.Helper()
	var got []store.Stored
	for st, err := range b.All(t.Context(), time.Time{}) {
		check(t, err)
		got = append(got, st)
	}
	same := func(a, b store.Stored) bool {
		return a.Name == b.Name && a.ID == b.ID && a.Size == b.Size && bytes.Equal(a.Facts, b.Facts)
	}
	if !slices.EqualFunc(got, want, same) {
		t.Errorf("All yields\n%+v, want\n%+v", got, want)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
