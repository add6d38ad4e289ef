package store

import (
	"bytes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"pgregory.net/rapid"
)

// isPrefix says whether got is the beginning of want.
func isPrefix(got, want []rec) bool {
	return len(got) <= len(want) && slices.Equal(got, want[:len(got)])
}

// isSubsequence says whether got is want with some left out.
func isSubsequence(got, want []rec) bool {
	for _, w := range want {
		if len(got) > 0 && got[0] == w {
			got = got[1:]
		}
	}
	return len(got) == 0
}

func TestTapeCutAnywhere(t *testing.T) {
	s := openStore(t, t.TempDir(), System{})
	rapid.Check(t, func(rt *rapid.T) {
		tape := newTape(t, s, false)
		defer func() { check(t, tape.Destroy()) }()
		var want []rec
		type flushed struct {
			size int64
			recs int
		}
		var marks []flushed
		for i := range rapid.IntRange(1, 60).Draw(rt, "appends") {
			r := rec{
				kind: uint8(i), at: rapid.Int64().Draw(rt, "at"), line: uint16(i),
				data: string(bytes.Repeat([]byte{byte(i)}, rapid.OneOf(rapid.IntRange(0, 300), rapid.IntRange(4000, 9000)).Draw(rt, "size"))),
			}
			appendAll(tape, []rec{r})
			want = append(want, r)
			if rapid.IntRange(0, 3).Draw(rt, "flush") == 0 {
				check(t, tape.Flush())
				marks = append(marks, flushed{tape.size, len(want)})
			}
		}
		check(t, tape.Close())
		cut := rapid.Int64Range(0, tape.size).Draw(rt, "cut")
		check(t, os.Truncate(s.tapePath(tape.id), cut))
		if cut < headerSize {
			if _, err := s.ReadTape(tape.id); !errors.Is(err, ErrForgotten) {
				rt.Fatalf("cut at %d: %v, want ErrForgotten", cut, err)
			}
			return
		}
		got := readTape(t, s, tape.id)
		if !isPrefix(got, want) {
			rt.Fatalf("cut at %d: %s is no prefix of %s", cut, describe(got), describe(want))
		}
		for _, m := range marks {
			if m.size <= cut && len(got) < m.recs {
				rt.Fatalf("cut at %d: %d records, %d were flushed before %d", cut, len(got), m.recs, m.size)
			}
		}
	})
}

// smallTape writes a tape of one record a block and returns its bytes, its
// records and where each frame begins.
func smallTape(t testing.TB, s *Store) (tape *Tape, raw []byte, want []rec, frames []int64) {
	tape = newTape(t, s, false)
	for i := range 6 {
		r := rec{kind: 1, at: int64(i), line: 1, data: string(bytes.Repeat([]byte{byte('a' + i)}, 50))}
		appendAll(tape, []rec{r})
		want = append(want, r)
		frames = append(frames, tape.size)
		check(t, tape.Flush())
	}
	check(t, tape.Close())
	raw, err := os.ReadFile(s.tapePath(tape.id))
	check(t, err)
	return tape, raw, want, frames
}

func TestTapeDamage(t *testing.T) {
	s := openStore(t, t.TempDir(), System{})
	tape, raw, want, frames := smallTape(t, s)
	without := func(i ...int) []rec {
		var left []rec
		for j, r := range want {
			if !slices.Contains(i, j) {
				left = append(left, r)
			}
		}
		return left
	}
	size := frames[1] - frames[0]
	for name, test := range map[string]struct {
		damage func(b []byte) []byte
		want   []rec
		errs   int
	}{
		"a byte of a body":         {func(b []byte) []byte { b[frames[2]+30] ^= 1; return b }, without(2), 1},
		"a byte of a length":       {func(b []byte) []byte { b[frames[2]+8] ^= 1; return b }, without(2), 1},
		"a length out of all size": {func(b []byte) []byte { b[frames[2]+11] = 0xff; return b }, without(2), 1},
		"a hole of two blocks":     {func(b []byte) []byte { clear(b[frames[1]:frames[3]]); return b }, without(1, 2), 1},
		"a block cut out":          {func(b []byte) []byte { return slices.Delete(b, int(frames[1]), int(frames[2])) }, without(1), 1},
		"a block twice": {func(b []byte) []byte {
			return slices.Insert(b, int(frames[2]), b[frames[1]:frames[2]]...)
		}, want, 1},
		"two blocks exchanged": {func(b []byte) []byte {
			second := slices.Clone(b[frames[1]:frames[2]])
			return slices.Concat(b[:frames[1]], b[frames[2]:frames[3]], second, b[frames[3]:])
		}, without(1), 2},
		"a zeroed tail":  {func(b []byte) []byte { clear(b[frames[4]:]); return b }, without(4, 5), 0},
		"rubbish behind": {func(b []byte) []byte { return append(b, bytes.Repeat([]byte("rubbish"), 20_000)...) }, want, 0},
		"rubbish between": {func(b []byte) []byte {
			return slices.Insert(b, int(frames[2]), bytes.Repeat([]byte(frameMagic), 30_000)...)
		}, want, 1},
		"a block of another number, CRC right": {func(b []byte) []byte {
			f := b[frames[2]:frames[3]]
			f[4] = 77
			binary.LittleEndian.PutUint32(f[size-4:], crc32.Checksum(f[:size-4], castagnoli))
			return b
		}, without(2), 2},
	} {
		t.Run(name, func(t *testing.T) {
			check(t, os.WriteFile(s.tapePath(tape.id), test.damage(slices.Clone(raw)), 0o600))
			read, err := s.ReadTape(tape.id)
			check(t, err)
			got, errs := collect(read())
			if !slices.Equal(got, test.want) || len(errs) != test.errs {
				t.Errorf("%s and %v, want %s and %d errors", describe(got), errs, describe(test.want), test.errs)
			}
			for _, err := range errs {
				if !errors.Is(err, ErrDamaged) {
					t.Errorf("%v is not ErrDamaged", err)
				}
			}
		})
	}
}

func TestTapeHeaderDamage(t *testing.T) {
	s := openStore(t, t.TempDir(), System{})
	tape, raw, _, _ := smallTape(t, s)
	other, otherRaw, _, _ := smallTape(t, s)
	for name, test := range map[string]struct {
		raw  []byte
		want error
	}{
		"empty":          {nil, ErrForgotten},
		"half a header":  {raw[:200], ErrForgotten},
		"never written":  {make([]byte, 4000), ErrForgotten},
		"magic":          {append([]byte("X"), raw[1:]...), ErrDamaged},
		"id":             {slices.Concat(raw[:16], []byte("X"), raw[17:]), ErrDamaged},
		"both keys":      {slices.Concat(raw[:70], []byte{raw[70] ^ 1}, raw[71:300], []byte{raw[300] ^ 1}, raw[301:]), ErrDamaged},
		"another tape's": {otherRaw, ErrDamaged},
	} {
		check(t, os.WriteFile(s.tapePath(tape.id), test.raw, 0o600))
		if _, err := s.ReadTape(tape.id); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
	for _, id := range []string{"", "../run.key", other.id[:25], other.id + "x"} {
		if _, err := s.ReadTape(id); err == nil {
			t.Errorf("id %q accepted", id)
		}
		if _, err := s.NewTape(id, "", false); err == nil {
			t.Errorf("id %q accepted for a new tape", id)
		}
		if err := s.RemoveTape(id); err == nil {
			t.Errorf("id %q accepted for removal", id)
		}
	}
	if _, err := s.NewTape(other.id, "", false); !errors.Is(err, os.ErrExist) {
		t.Errorf("a second tape of one id: %v", err)
	}
}

func FuzzTape(f *testing.F) {
	s := openStore(f, f.TempDir(), System{})
	_, raw, _, frames := smallTape(f, s)
	f.Add(raw[headerSize:])
	f.Add(raw[headerSize : len(raw)-7])
	f.Add(slices.Concat(raw[headerSize:frames[1]], make([]byte, 100), raw[frames[2]:]))
	f.Add([]byte(frameMagic + frameMagic + "\x00\x00\x00\x00\x20\x00\x00\x00"))
	key := make([]byte, keySize)
	aead, err := gcm(key)
	check(f, err)
	f.Fuzz(func(t *testing.T, data []byte) {
		checkDamage(t, aead, data)
		n := 0
		newTapeReader(bytes.NewReader(data), "fuzz", aead).read(func(Record, error) bool { n++; return true })
		// As the clear text of a block, whole and split over two.
		block := func(number uint32, clear []byte) []byte {
			w := Tape{id: "fuzz", aead: aead, number: number, block: clear, ad: []byte("fuzz")}
			return w.seal()
		}
		clear := data[:min(len(data), blockMax)]
		frames := slices.Concat(block(0, clear), block(1, clear[:len(clear)/2]), block(2, clear[len(clear)/2:]))
		newTapeReader(bytes.NewReader(frames), "fuzz", aead).read(func(Record, error) bool { n++; return true })
		if n > len(data)*4+3 {
			t.Errorf("%d records and errors from %d bytes", n, len(data))
		}
	})
}

// checkDamage writes a tape of six blocks and damages it as data says, two bytes
// of position and one of damage at a time: what was not hit is read, and nothing
// is read that was not written.
func checkDamage(t *testing.T, aead cipher.AEAD, data []byte) {
	var raw []byte
	var want []rec
	var ends []int
	for i := range 6 {
		w := Tape{id: "fuzz", aead: aead, number: uint32(i), ad: []byte("fuzz")}
		w.fragment(1, 0, int64(i), 1, bytes.Repeat([]byte{byte('a' + i)}, 50))
		raw = append(raw, w.seal()...)
		want = append(want, rec{1, int64(i), 1, strings.Repeat(string(rune('a'+i)), 50)})
		ends = append(ends, len(raw))
	}
	intact := slices.Clone(raw)
	for ; len(data) >= 3; data = data[3:] {
		raw[int(binary.LittleEndian.Uint16(data))%len(raw)] ^= data[2]
	}
	var spared []rec
	begin := 0
	for i, end := range ends {
		if bytes.Equal(raw[begin:end], intact[begin:end]) {
			spared = append(spared, want[i])
		}
		begin = end
	}
	got, errs := collect(newTapeReader(bytes.NewReader(raw), "fuzz", aead).read)
	if !slices.Equal(got, spared) {
		t.Errorf("%s, not hit were %s", describe(got), describe(spared))
	}
	for _, err := range errs {
		if !errors.Is(err, ErrDamaged) {
			t.Errorf("%v is not ErrDamaged", err)
		}
	}
}

// fullDisk is a System whose disk takes no byte more while full.
func fullDisk(full *bool) System {
	return System{WriteAt: func(f *os.File, p []byte, off int64) (int, error) {
		if *full {
			n, _ := f.WriteAt(p[:len(p)/2], off)
			return n, syscall.ENOSPC
		}
		return f.WriteAt(p, off)
	}}
}

func TestTapeOnAFullDisk(t *testing.T) {
	var full bool
	s := openStore(t, t.TempDir(), fullDisk(&full))
	tape := newTape(t, s, false)
	packet := func(i int) rec {
		return rec{kind: 1, at: int64(i), line: 1, data: string(bytes.Repeat([]byte{byte(i)}, 172))}
	}
	var want []rec
	for i := range 300 {
		full = i >= 100 && i < 200
		appendAll(tape, []rec{packet(i)})
		want = append(want, packet(i))
		if i%10 != 9 {
			continue
		}
		if err := tape.Flush(); full != errors.Is(err, syscall.ENOSPC) {
			t.Errorf("flush at %d, disk full %v: %v", i, full, err)
		}
	}
	check(t, tape.Close())
	read, err := s.ReadTape(tape.id)
	check(t, err)
	got, errs := collect(read())
	if !isSubsequence(got, want) || len(errs) != 1 {
		t.Errorf("%s and %v", describe(got), errs)
	}
	if lost := int64(len(want) - len(got)); lost != tape.Lost() || lost == 0 || lost > 100 {
		t.Errorf("%d records missing, %d counted as lost", lost, tape.Lost())
	}
	full = true
	if _, err := s.NewTape(NewID(noon), "", false); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("new tape: %v", err)
	}
	if left, err := s.Leftovers(); err != nil || len(left) != 1 {
		t.Errorf("leftovers %v, %v: a tape that could not be made should leave none", left, err)
	}
}

func TestAppendDoesNotAllocate(t *testing.T) {
	s := openStore(t, t.TempDir(), System{})
	tape := newTape(t, s, false)
	packet := make([]byte, 172)
	at := noon.UnixNano()
	if n := testing.AllocsPerRun(2000, func() {
		at += 20e6
		tape.Append(1, at, 1, packet)
		if at%100e6 == 0 {
			if err := tape.Flush(); err != nil {
				t.Error(err)
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
	check(t, tape.Destroy())
}

func TestTapeIsSafeForConcurrentUse(t *testing.T) {
	s := openStore(t, t.TempDir(), System{})
	tape := newTape(t, s, true)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 2000 {
			tape.Append(1, int64(i), 1, make([]byte, 1+rand.IntN(300)))
		}
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		check(t, tape.Flush())
		check(t, tape.Confirm())
		readTape(t, s, tape.id)
	}
	check(t, tape.Flush())
	if got := readTape(t, s, tape.id); len(got) != 2000 {
		t.Errorf("%d records, want 2000", len(got))
	}
	check(t, tape.Close())
}
