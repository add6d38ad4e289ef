package store

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"filippo.io/age"
)

// shortBundle hands one short recording out of a new store and returns the
// bundle's file and who can open it.
func shortBundle(t testing.TB) (file string, with BundleWith, key string) {
	t.Helper()
	s := openStore(t, t.TempDir(), unsyncedSystem())
	defer s.Close()
	other := sealedOn(t, s, "2027-02-22")
	row := sealRow(NewID(noon))
	row.Dies, row.Format = "2027-02-22", "wav pcmu 8000 Hz 2 ch"
	check(t, s.Seal(t.Context(), row, "wav", func(w io.Writer) error { _, err := io.WriteString(w, "a short voice"); return err }))
	check(t, s.Retire(t.Context(), other, "error", someDay))

	id, err := age.GenerateX25519Identity()
	check(t, err)
	file = filepath.Join(t.TempDir(), "case.zip")
	sealBundle(t, s, row, file, BundleTo{Recipients: []string{id.Recipient().String()}})
	return file, BundleWith{Identity: []byte(id.String())}, s.Ledger.VerifierKey()
}

// TestBundleSaysWhatWasWitnessed seals a recording before and one after the
// witness looked.
func TestBundleSaysWhatWasWitnessed(t *testing.T) {
	s := openStore(t, t.TempDir(), unsyncedSystem())
	w := openWitness(t, scratch(t), System{}, s.Ledger.VerifierKey())
	defer w.Close()
	seen := sealedOn(t, s, "2027-02-22")
	size := cosign(t, w, s.Ledger, 0).Size
	unseen := sealedOn(t, s, "2027-02-22")
	for row, want := range map[*Row]bool{seen: true, unseen: false} {
		file := filepath.Join(t.TempDir(), "case.zip")
		sealBundle(t, s, row, file, BundleTo{Passphrase: "correct horse", WorkFactor: 4})
		r, err := VerifyBundle(file, BundleWith{Passphrase: func() (string, error) { return "correct horse", nil }})
		check(t, err)
		text := fmt.Sprint(r.Steps)
		if !r.OK || !strings.Contains(text, fmt.Sprintf("leaves 0-%d on 2026-11-23T", size-1)) || !strings.Contains(text, w.Key()) {
			t.Errorf("%+v", r)
		}
		if strings.Contains(text, ", cosigned by the witness") != want {
			t.Errorf("cosigned %v: %+v", want, r.Steps)
		}
	}
}

func sealBundle(t testing.TB, s *Store, row *Row, file string, to BundleTo) {
	t.Helper()
	readMe := []byte("what it is")
	var contents bytes.Buffer
	check(t, s.WriteBundle(t.Context(), &contents, Bundle{
		Recordings: []Bundled{{Row: row, Beside: []BundleFile{{"original.pcap", fixed([]byte("packets"))}}}},
		Reason:     "court", Document: "2026가단117", ReadMe: readMe,
		Report: func(w io.Writer, c Checkpoint, _ Cosigned, key string) error {
			_, err := fmt.Fprintln(w, c.Size, key)
			return err
		},
	}))
	check(t, sealFile(file, to, readMe, &contents))
}

func sealFile(name string, to BundleTo, readMe []byte, contents io.Reader) error {
	b, err := BeginBundle(name, to)
	if err != nil {
		return err
	}
	return b.Seal(readMe, contents)
}

func wrong(r BundleReport) (list []string) {
	for _, s := range r.Steps {
		if !s.OK {
			list = append(list, s.What+": "+s.Detail)
		}
	}
	return list
}

func TestBundleHolds(t *testing.T) {
	file, with, key := shortBundle(t)
	with.Key = key
	r, err := VerifyBundle(file, with)
	check(t, err)
	if !r.OK || len(r.Steps) != 15 || r.Key != key {
		t.Errorf("%+v", r)
	}
	b, err := os.ReadFile(file)
	check(t, err)
	for _, clear := range []string{"a short voice", "0105550101", "2026가단117"} {
		if bytes.Contains(b, []byte(clear)) {
			t.Errorf("%q lies in clear", clear)
		}
	}
	with.Key = strings.Replace(key, "+", "+1", 1)
	if r, err = VerifyBundle(file, with); err != nil || r.OK {
		t.Errorf("another key than the known one: %v %v", r, err)
	}
	if err := sealFile(file, BundleTo{Passphrase: "x"}, nil, bytes.NewReader(nil)); !errors.Is(err, fs.ErrExist) {
		t.Errorf("written over: %v", err)
	}
}

func TestBundleWithPassphrase(t *testing.T) {
	s := openStore(t, t.TempDir(), unsyncedSystem())
	file := filepath.Join(t.TempDir(), "case.zip")
	sealBundle(t, s, sealedOn(t, s, "2027-02-22"), file, BundleTo{Passphrase: "correct horse", WorkFactor: 4})
	for phrase, want := range map[string]bool{"correct horse": true, "battery": false} {
		r, err := VerifyBundle(file, BundleWith{Passphrase: func() (string, error) { return phrase, nil }})
		check(t, err)
		if r.OK != want {
			t.Errorf("%q: %+v", phrase, r.Steps)
		}
	}
}

// TestEveryFlippedByteOfABundleIsFound changes each byte, one bit of it in turn.
func TestEveryFlippedByteOfABundleIsFound(t *testing.T) {
	file, with, _ := shortBundle(t)
	b, err := os.ReadFile(file)
	check(t, err)
	undetected := 0
	for i := range b {
		b[i] ^= 1 << (i % 8)
		var r BundleReport
		r.verify(bytes.NewReader(b), int64(len(b)), with)
		if len(wrong(r)) == 0 {
			undetected++
			t.Errorf("byte %d of %d is not missed", i, len(b))
		}
		b[i] ^= 1 << (i % 8)
	}
	t.Logf("%d bytes flipped, %d undetected", len(b), undetected)
	for n := range len(b) {
		if n%97 == 0 {
			var r BundleReport
			if r.verify(bytes.NewReader(b[:n]), int64(n), with); len(wrong(r)) == 0 {
				t.Errorf("cut to %d bytes, and nobody sees it", n)
			}
		}
	}
	var r BundleReport
	if r.verify(bytes.NewReader(append(b, 0)), int64(len(b)+1), with); len(wrong(r)) == 0 {
		t.Error("a byte behind the end is not seen")
	}
}

// TestForgedBundleIsFound lets somebody who knows the passphrase change what is
// sealed, sums and all, and seal it again.
func TestForgedBundleIsFound(t *testing.T) {
	s := openStore(t, t.TempDir(), unsyncedSystem())
	row := sealRow(NewID(noon))
	row.Dies, row.Format = "2027-02-22", "wav pcmu 8000 Hz 2 ch"
	check(t, s.Seal(t.Context(), row, "wav", func(w io.Writer) error { _, err := io.WriteString(w, "a short voice"); return err }))
	w := openWitness(t, scratch(t), System{}, s.Ledger.VerifierKey())
	defer w.Close()
	cosign(t, w, s.Ledger, 0)
	s.Tell(Entry{Kind: EventHeard, Subject: row.ID, Row: "kim"})
	readMe := []byte("what it is")
	var contents bytes.Buffer
	check(t, s.WriteBundle(t.Context(), &contents, Bundle{Recordings: []Bundled{{Row: row}}, ReadMe: readMe,
		Report: func(w io.Writer, _ Checkpoint, _ Cosigned, _ string) error {
			_, err := io.WriteString(w, "<h1>one call</h1>")
			return err
		}}))
	id, err := age.GenerateX25519Identity()
	check(t, err)
	for name, change := range map[string]func(name string, b []byte) []byte{
		"nothing": func(_ string, b []byte) []byte { return b },
		"the audio is what": func(name string, b []byte) []byte {
			return bytes.Replace(b, []byte("a short voice"), []byte("another voice"), 1)
		},
		"the facts agree": func(name string, b []byte) []byte {
			if strings.HasSuffix(name, bundleFacts) {
				return bytes.Replace(b, []byte(`"extension": "2001"`), []byte(`"extension": "2002"`), 1)
			}
			return b
		},
		"these files were handed out": func(name string, b []byte) []byte {
			if strings.HasSuffix(name, bundleFacts) {
				return bytes.Replace(b, []byte("0105550101"), []byte("0105550102"), 1)
			}
			return b
		},
		"signed ledger": func(name string, b []byte) []byte {
			if strings.HasSuffix(name, ".leaf") {
				return bytes.Replace(b, []byte("kind sealed"), []byte("kind sealeb"), 1)
			}
			return b
		},
		"the readable rows beside its leaves are here": func(name string, b []byte) []byte {
			if strings.HasSuffix(name, rowExt) {
				return nil
			}
			return b
		},
		"with this report and these recordings, and no others": func(name string, b []byte) []byte {
			if name == bundleReport {
				return []byte("<h1>He threatened her.</h1>")
			}
			return b
		},
		"none of the leaves that spoke of it before": func(name string, b []byte) []byte {
			if strings.Contains(name, bundleLedger+"/2.") {
				return nil
			}
			return b
		},
		"expert-opinion.pdf was added": func(name string, b []byte) []byte {
			if name == "expert-opinion.pdf" {
				return []byte("he is guilty")
			}
			return b
		},
		"ledger/1.row.json was added": func(name string, b []byte) []byte {
			if strings.HasSuffix(name, "/1.leaf") {
				return nil
			}
			return b
		},
		"the state of the ledger": func(name string, b []byte) []byte {
			if name == bundleCheckpoint {
				return bytes.Replace(b, []byte("\n4\n"), []byte("\n5\n"), 1)
			}
			return b
		},
		"says of itself": func(name string, b []byte) []byte {
			if name == bundleReadMe {
				return []byte("what it is not")
			}
			return b
		},
		"a witness, another machine": func(name string, b []byte) []byte {
			if name == bundleWitnessed {
				return bytes.Replace(b, []byte("\n2\n"), []byte("\n3\n"), 1)
			}
			return b
		},
		"no cosignature of": func(name string, b []byte) []byte {
			if name == bundleWitness {
				return []byte(newCosigning().String() + "\n")
			}
			return b
		},
		"its proof leads from another state": func(name string, b []byte) []byte {
			if name == bundleGrowth {
				return bytes.Replace(b, []byte("old 2\n"), []byte("old 3\n"), 1)
			}
			return b
		},
		"does not begin with what the witness cosigned": func(name string, b []byte) []byte {
			if name == bundleGrowth {
				_, note, _ := bytes.Cut(b, []byte("\n\n"))
				return append([]byte("old 2\nPlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n\n"), note...)
			}
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "case.zip")
			check(t, sealFile(file, BundleTo{Recipients: []string{id.Recipient().String()}}, readMe, forged(t, contents.Bytes(), change)))
			r, err := VerifyBundle(file, BundleWith{Identity: []byte(id.String())})
			check(t, err)
			if found := strings.Join(wrong(r), "\n"); r.OK != (name == "nothing") || !r.OK && !strings.Contains(found, name) {
				t.Errorf("found: %s", found)
			}
		})
	}
}

// forged is a bundle's contents with files changed, taken out where change returns
// nil, or an opinion put in, and all sums made anew.
func forged(t testing.TB, contents []byte, change func(name string, b []byte) []byte) io.Reader {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(contents), int64(len(contents)))
	check(t, err)
	var again bytes.Buffer
	out := bundleWriter{zip: zip.NewWriter(&again), sums: map[string]string{}}
	for _, f := range z.File {
		if f.Name == bundleSums {
			continue
		}
		in, err := f.Open()
		check(t, err)
		b, err := io.ReadAll(in)
		check(t, err)
		if b = change(f.Name, b); b != nil {
			check(t, out.put(f.Name, fixed(b)))
		}
	}
	if b := change("expert-opinion.pdf", nil); b != nil {
		check(t, out.put("expert-opinion.pdf", fixed(b)))
	}
	check(t, out.put(bundleSums, fixed(sumList(out.sums))))
	check(t, out.zip.Close())
	return &again
}

// TestBundleOfTwoHoldsTogether takes one of two recordings out of a bundle.
func TestBundleOfTwoHoldsTogether(t *testing.T) {
	s := openStore(t, t.TempDir(), unsyncedSystem())
	first, second := sealedOn(t, s, "2027-02-22"), sealedOn(t, s, "2027-02-22")
	var contents bytes.Buffer
	check(t, s.WriteBundle(t.Context(), &contents, Bundle{Recordings: []Bundled{{Row: first}, {Row: second}}, ReadMe: []byte("r"), Report: noReport}))
	for without, want := range map[string]string{"none": "", second.ID: first.ID + ": it was handed out with this report and these recordings, and no others"} {
		file := filepath.Join(t.TempDir(), "case.zip")
		check(t, sealFile(file, BundleTo{Passphrase: "x", WorkFactor: 4}, []byte("r"), forged(t, contents.Bytes(), func(name string, b []byte) []byte {
			if strings.HasPrefix(name, without) {
				return nil
			}
			return b
		})))
		r, err := VerifyBundle(file, BundleWith{Passphrase: func() (string, error) { return "x", nil }})
		check(t, err)
		if found := strings.Join(wrong(r), "\n"); !strings.HasPrefix(found, want) || (want == "") != r.OK {
			t.Errorf("without %s: %s", without, found)
		}
	}
}

// TestBundleSaysThatRowsWereDestroyed hands out a recording whose readable rows
// went with their month, and takes the leaf that says so out.
func TestBundleSaysThatRowsWereDestroyed(t *testing.T) {
	s := openStore(t, t.TempDir(), unsyncedSystem())
	row := sealedOn(t, s, "2027-02-22")
	sealed := s.Ledger.Last()
	s.Ledger.now = func() time.Time { return sealed.AddDate(0, 2, 0) }
	s.Tell(Entry{Kind: EventStarted})
	check(t, s.Ledger.DestroyRows(sealed.Format(rowsMonth)))
	var contents bytes.Buffer
	check(t, s.WriteBundle(t.Context(), &contents, Bundle{Recordings: []Bundled{{Row: row}}, ReadMe: []byte("r"), Report: noReport}))
	for without, want := range map[string]string{"none": "here: 1; destroyed with their month: 1", bundleLedger + "/": "leaf 1 has one, and it was taken out"} {
		file := filepath.Join(t.TempDir(), "case.zip")
		check(t, sealFile(file, BundleTo{Passphrase: "x", WorkFactor: 4}, []byte("r"), forged(t, contents.Bytes(), func(name string, b []byte) []byte {
			if strings.HasPrefix(name, without) {
				return nil
			}
			return b
		})))
		r, err := VerifyBundle(file, BundleWith{Passphrase: func() (string, error) { return "x", nil }})
		check(t, err)
		if !strings.Contains(fmt.Sprint(r.Steps), want) || r.OK != (without == "none") {
			t.Errorf("without %s: %+v", without, r.Steps)
		}
	}
}

func noReport(io.Writer, Checkpoint, Cosigned, string) error { return nil }

// TestBundleThatCannotBeWrittenIsNotBegun: nothing is left of one, and of one
// whose contents did not come.
func TestBundleThatCannotBeWrittenIsNotBegun(t *testing.T) {
	dir := t.TempDir()
	there := filepath.Join(dir, "there.zip")
	check(t, os.WriteFile(there, nil, 0o600))
	for name, tc := range map[string]struct {
		file string
		to   BundleTo
	}{
		"no directory": {filepath.Join(dir, "no", "case.zip"), BundleTo{Passphrase: "x"}},
		"no recipient": {filepath.Join(dir, "case.zip"), BundleTo{Recipients: []string{"age1nonsense"}}},
		"nobody":       {filepath.Join(dir, "case.zip"), BundleTo{}},
		"there":        {there, BundleTo{Passphrase: "x"}},
		"a directory":  {dir, BundleTo{Passphrase: "x"}},
	} {
		if _, err := BeginBundle(tc.file, tc.to); err == nil {
			t.Errorf("%s: begun", name)
		}
	}
	broken := errors.New("the connection broke")
	err := sealFile(filepath.Join(dir, "case.zip"), BundleTo{Passphrase: "x", WorkFactor: 4}, nil, iotest.ErrReader(broken))
	if !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	if left := filesOf(t, dir); len(left) != 1 {
		t.Errorf("left: %v", left)
	}
}
