package store

import (
	"errors"
	"slices"
	"testing"
	"time"
)

// follow is what a follower reads now.
func follow(t *testing.T, f *Follower) (recs []rec) {
	t.Helper()
	all, err := f.Next(time.Now().Add(time.Minute), func(r Record) {
		recs = append(recs, rec{r.Kind, r.At, r.Line, string(r.Data)})
	})
	check(t, err)
	if !all {
		t.Error("the time was not enough")
	}
	return recs
}

func TestFollowerReadsEachRecordOnce(t *testing.T) {
	s := openStore(t, t.TempDir(), System{})
	tape := newTape(t, s, false)
	f := s.FollowTape(tape.id)
	if got := follow(t, f); len(got) != 0 {
		t.Errorf("of an empty tape: %s", describe(got))
	}
	want := slices.Repeat(someRecs(), 3)
	var got []rec
	for i, r := range want {
		appendAll(tape, []rec{r})
		if i%7 == 0 { // what is not flushed yet may come later, and may have begun
			got = append(got, follow(t, f)...)
		}
		if i%5 == 0 {
			check(t, tape.Flush())
		}
		if i%11 == 0 {
			got = append(got, follow(t, f)...)
		}
	}
	check(t, tape.Close())
	got = append(got, follow(t, f)...)
	if !slices.Equal(got, want) {
		t.Errorf("%s, want %s", describe(got), describe(want))
	}
	if got := follow(t, f); len(got) != 0 {
		t.Errorf("again: %s", describe(got))
	}
}

func TestFollowerEndsInTime(t *testing.T) {
	s := openStore(t, t.TempDir(), System{})
	tape := newTape(t, s, false)
	appendAll(tape, someRecs())
	check(t, tape.Flush())
	f := s.FollowTape(tape.id)
	if all, err := f.Next(time.Now().Add(-time.Second), func(Record) { t.Error("a record after the time was over") }); all || err != nil {
		t.Errorf("%v, %v", all, err)
	}
	if got := follow(t, f); !slices.Equal(got, someRecs()) {
		t.Errorf("%s", describe(got))
	}
}

// A tape whose key was forgotten is read no further.
func TestFollowerOfAForgottenTape(t *testing.T) {
	s := openStore(t, t.TempDir(), System{})
	tape := newTape(t, s, true)
	appendAll(tape, someRecs())
	check(t, tape.Flush())
	f := s.FollowTape(tape.id)
	if got := follow(t, f); len(got) == 0 {
		t.Error("a provisional tape is not read while its key is there")
	}
	check(t, tape.Destroy())
	if _, err := f.Next(time.Now().Add(time.Minute), func(Record) {}); !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrForgotten) {
		t.Error(err)
	}
}
