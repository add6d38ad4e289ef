package store

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// largeLedger writes a log of many leaves with their rows, and a checkpoint kept
// every so many, as a daemon would have, but in order and without a sync.
type largeLedger struct {
	dir    string
	signer note.Signer
	leaves *bufio.Writer
	index  *bufio.Writer
	hashes *bufio.Writer
	notes  *bufio.Writer
	rows   *bufio.Writer
	stored []tlog.Hash
	edge   treeEdge
	end    int64
	last   []byte // the newest note
}

func makeLargeLedger(b *testing.B, dir string, leaves, every int) {
	b.Helper()
	l, err := OpenLedger(dir, System{}, slog.New(slog.DiscardHandler), time.Now)
	check(b, err)
	g := &largeLedger{dir: dir, signer: l.signer}
	check(b, l.Close())
	var files []*os.File
	create := func(name string) *bufio.Writer {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, fileMode)
		check(b, err)
		files = append(files, f)
		return bufio.NewWriterSize(f, 1<<20)
	}
	g.leaves, g.index, g.hashes, g.notes = create(leavesFile), create(indexFile), create(hashesFile), create(checkpointsFile)
	site := newLargeSite(leaves, scaleFirst)
	month := ""
	for i := range leaves {
		row := site.row(i)
		if m := row.End.Format(rowsMonth); m != month {
			if g.rows != nil {
				check(b, g.rows.Flush())
			}
			g.rows, month = create(filepath.Join(rowsDir, m+".jsonl")), m
		}
		check(b, g.add(row, site.start(i)))
		if (i+1)%every == 0 || i+1 == leaves {
			check(b, g.sign(site.start(i)))
		}
	}
	for _, w := range []*bufio.Writer{g.leaves, g.index, g.hashes, g.notes, g.rows} {
		check(b, w.Flush())
	}
	for _, f := range files {
		check(b, f.Close())
	}
	check(b, os.WriteFile(filepath.Join(dir, checkpointFile), g.last, fileMode))
}

func (g *largeLedger) add(row *Row, at time.Time) error {
	e := sealedEntry(row)
	readable, err := json.Marshal(e.Row)
	if err != nil {
		return err
	}
	salt := binary.BigEndian.AppendUint64(make([]byte, 8), uint64(g.edge.size))
	saved := savedRow{Digest: saltedDigest(salt, readable), Salt: hex.EncodeToString(salt), Row: readable}
	line, err := json.Marshal(saved)
	if err != nil {
		return err
	}
	text, err := Leaf{Time: at, Kind: e.Kind, Subject: e.Subject, Row: saved.Digest, Public: e.Public}.MarshalText()
	if err != nil {
		return err
	}
	nodes, err := tlog.StoredHashesForRecordHash(g.edge.size, tlog.RecordHash(text), tlog.HashReaderFunc(func(at []int64) (out []tlog.Hash, err error) {
		for _, i := range at {
			out = append(out, g.stored[i])
		}
		return out, nil
	}))
	if err != nil {
		return err
	}
	g.stored = append(g.stored, nodes...)
	for _, h := range nodes {
		g.hashes.Write(h[:])
	}
	g.edge.add(tlog.RecordHash(text), nil)
	g.index.Write(binary.LittleEndian.AppendUint64(nil, uint64(g.end)))
	g.leaves.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(text))))
	g.leaves.Write(binary.LittleEndian.AppendUint32(nil, crc32.Checksum(text, castagnoli)))
	g.leaves.Write(text)
	g.end += int64(leafFrame + len(text))
	_, err = g.rows.Write(append(line, '\n'))
	return err
}

func (g *largeLedger) sign(at time.Time) (err error) {
	c := Checkpoint{Origin: g.signer.Name(), Size: g.edge.size, Root: g.edge.root(), Time: at.Truncate(time.Second)}
	if g.last, err = note.Sign(&note.Note{Text: c.text()}, g.signer); err != nil {
		return err
	}
	_, err = g.notes.Write(append(g.last, '\n'))
	return err
}

// peakHeap returns the most that was on the heap while do ran, in MB.
func peakHeap(do func()) (mb float64) {
	runtime.GC()
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			mb = max(mb, float64(m.HeapInuse)/1e6)
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	}()
	do()
	close(stop)
	<-done
	return mb
}

// BenchmarkLargeLedger is a log of millions of leaves, with a checkpoint kept
// every forty, as many as ten minutes or a quiet night bring.
func BenchmarkLargeLedger(b *testing.B) {
	rows := scale(b)
	dir := os.Getenv(scaleDirEnv)
	if dir == "" {
		dir = b.TempDir()
	}
	dir = filepath.Join(dir, "ledger-"+strconv.Itoa(rows))
	if _, err := os.Stat(filepath.Join(dir, checkpointFile)); err != nil {
		begun := time.Now()
		makeLargeLedger(b, dir, rows, 40)
		b.Logf("%d leaves generated in %.0f s", rows, time.Since(begun).Seconds())
	}
	for _, name := range []string{leavesFile, hashesFile, indexFile, checkpointsFile} {
		info, err := os.Stat(filepath.Join(dir, name))
		check(b, err)
		b.Logf("%s: %.0f MB", name, float64(info.Size())/1e6)
	}
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			l, err := OpenLedger(dir, System{}, slog.New(slog.DiscardHandler), time.Now)
			check(b, err)
			check(b, l.Close())
		}
		b.ReportMetric(b.Elapsed().Seconds()*1000/float64(b.N), "ms/open")
		b.ReportMetric(0, "ns/op")
	})
	b.Run("verify", func(b *testing.B) {
		var peak float64
		for b.Loop() {
			peak = max(peak, peakHeap(func() {
				r, err := VerifyLog(dir, nil)
				check(b, err)
				if r.Leaves != int64(rows) || r.Rows != rows || len(r.Findings) > 0 {
					b.Fatalf("%d leaves, %d rows, %d findings", r.Leaves, r.Rows, len(r.Findings))
				}
			}))
		}
		b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/verify")
		b.ReportMetric(peak, "MB-heap")
		b.ReportMetric(0, "ns/op")
	})
}

// recordings is how many small ones are sealed for BenchmarkTenThousand.
const recordings = 10_000

// BenchmarkTenThousand is what is done to all recordings: verifying, a backup
// and back, and the death of a day of a fifth of them.
func BenchmarkTenThousand(b *testing.B) {
	where := os.Getenv(scaleDirEnv)
	if where == "" {
		where = b.TempDir()
	}
	dir := filepath.Join(where, "recordings")
	if _, err := os.Stat(dir); err != nil {
		sealMany(b, dir)
	}
	s, err := Open(Options{Dir: dir})
	check(b, err)
	defer s.Close()
	verify := func(name string, sample float64) {
		b.Run(name, func(b *testing.B) {
			var v Verification
			for b.Loop() {
				v, err = s.Verify(b.Context(), VerifyOptions{Sample: sample})
				check(b, err)
				if len(v.Findings) > 0 {
					b.Fatalf("%+v", v.Findings[0])
				}
			}
			b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/verify")
			b.ReportMetric(float64(v.Recordings), "recordings")
			b.ReportMetric(0, "ns/op")
		})
	}
	verify("verify", 0)
	verify("verify a tenth", 0.1)
	b.Run("backup", func(b *testing.B) {
		for b.Loop() {
			_, err := s.Backup(b.Context(), filepath.Join(b.TempDir(), "backup"), "")
			check(b, err)
		}
		b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/backup")
		b.ReportMetric(0, "ns/op")
	})
	b.Run("restore", func(b *testing.B) {
		to := filepath.Join(b.TempDir(), "backup")
		_, err := s.Backup(b.Context(), to, "")
		check(b, err)
		for b.Loop() {
			v, err := Restore(b.Context(), to, "", filepath.Join(b.TempDir(), strconv.Itoa(b.N), "restored"))
			check(b, err)
			if v.Recordings < 1 || len(v.Findings) > 0 {
				b.Fatalf("%d recordings, %d findings", v.Recordings, len(v.Findings))
			}
		}
		b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/restore")
		b.ReportMetric(0, "ns/op")
	})
}

// sealMany seals recordings of half a second without a sync, on five days of
// death.
func sealMany(b *testing.B, dir string) {
	b.Helper()
	s, err := Open(Options{Dir: dir, System: System{Sync: func(*os.File) error { return nil }, SyncFS: func(*os.File) error { return nil }}, unsynced: true})
	check(b, err)
	begun := time.Now()
	site := newLargeSite(recordings, scaleFirst)
	sound := make([]byte, 8000)
	for i := range recordings {
		row := site.row(i)
		row.State, row.Dies = Sealed, Day(fmt.Sprintf("2099-01-0%d", 1+i%5))
		check(b, s.Seal(b.Context(), row, "wav", func(w io.Writer) error { _, err := w.Write(sound); return err }))
	}
	check(b, s.Close())
	b.Logf("%d recordings sealed in %.0f s", recordings, time.Since(begun).Seconds())
}

// BenchmarkDeath is the death of a day of a thousand recordings, synced.
func BenchmarkDeath(b *testing.B) {
	const day, of = Day("2099-01-01"), 1000
	var took time.Duration
	for range b.N {
		s, err := Open(Options{Dir: b.TempDir(), unsynced: false})
		check(b, err)
		site := newLargeSite(of, scaleFirst)
		for i := range of {
			row := site.row(i)
			row.State, row.Dies = Sealed, day
			check(b, s.Seal(b.Context(), row, "wav", func(w io.Writer) error { _, err := w.Write(make([]byte, 8000)); return err }))
		}
		begun := time.Now()
		died, err := s.RetireDay(b.Context(), day, day)
		took += time.Since(begun)
		check(b, err)
		if len(died.Retired) != of || !died.Gone {
			b.Fatalf("%d retired", len(died.Retired))
		}
		check(b, s.Close())
	}
	b.ReportMetric(took.Seconds()*1000/float64(b.N)/of, "ms/recording")
	b.ReportMetric(0, "ns/op")
}
