package store

import (
	"context"
	"encoding/hex"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
)

// scaleRows is how many rows the benchmarks of a large site have; the first of
// the two environment variables sets another number. With the second, a
// directory, what was generated is kept there and used again.
const (
	scaleRows    = 2_000_000
	scaleRowsEnv = "SIPRECD_BENCH_ROWS"
	scaleDirEnv  = "SIPRECD_BENCH_DIR"
	scaleDays    = 91 // of retention, all in the catalogue
)

func scale(b *testing.B) int {
	b.Helper()
	s := os.Getenv(scaleRowsEnv)
	if s == "" {
		return scaleRows
	}
	n, err := strconv.Atoi(s)
	check(b, err)
	return n
}

// largeSite is a site of 1,500 extensions whose calls are kept for 90 days, in
// order of time: a tenth of them internal, a third not recorded. The numbers of
// one branch, 0318036…, and those of its extensions, 39…, called in the first
// fifth of the time only, so that what a search finds is far back.
type largeSite struct {
	rows  int
	first time.Time
	rand  *rand.Rand
	bytes *rand.ChaCha8
}

func newLargeSite(rows int, first time.Time) *largeSite {
	return &largeSite{rows: rows, first: first, rand: rand.New(rand.NewPCG(1, 2)), bytes: rand.NewChaCha8([32]byte{1})}
}

// start spreads the calls over the days and, in each, over ten hours.
func (l *largeSite) start(i int) time.Time {
	perDay := (l.rows + scaleDays - 1) / scaleDays
	day, of := i/perDay, i%perDay
	return l.first.AddDate(0, 0, day).Add(8*time.Hour + time.Duration(float64(of)/float64(perDay)*float64(10*time.Hour)) + 123456)
}

func (l *largeSite) hex() string {
	var b [32]byte
	l.bytes.Read(b[:])
	return hex.EncodeToString(b[:])
}

// numbers are those of one call: our extension and the other party.
func (l *largeSite) numbers(i int) (extension, other string) {
	branch := i < l.rows/5 && l.rand.IntN(2) == 0
	switch extension = fmt.Sprint(2000 + l.rand.IntN(1500)); {
	case branch:
		extension = fmt.Sprint(3900 + l.rand.IntN(50))
	case l.rand.IntN(4) == 0: // the switchboard
		extension = "2000"
	}
	switch n := l.rand.IntN(10); {
	case branch:
		other = fmt.Sprintf("0318036%04d", l.rand.IntN(10_000))
	case n == 0:
		other = fmt.Sprint(2000 + l.rand.IntN(1500))
	case n < 3:
		other = fmt.Sprintf("02555%04d", l.rand.IntN(10_000))
	default:
		other = fmt.Sprintf("0105%07d", l.rand.IntN(400_000)*7)
	}
	return extension, other
}

// row is as full as those of real calls.
func (l *largeSite) row(i int) *Row {
	start := l.start(i)
	seconds := float64(5+l.rand.IntN(600_000)) / 1000
	end := start.Add(time.Duration(seconds * float64(time.Second)))
	extension, other := l.numbers(i)
	id := ulid.MustNew(ulid.Timestamp(start), l.bytes).String()
	r := &Row{
		ID: id, State: Sealed, Start: start, End: end, Duration: seconds, Extension: extension, Other: other,
		Direction: []string{"in", "out"}[l.rand.IntN(2)], Policy: "full", DecidedBy: "extensions.toml:6", Source: "sbc-1",
		Segments: []Segment{{0, seconds}}, CallID: l.hex()[:24], Sessions: []string{l.hex()[:24]}, Ended: "src: bye",
		Dies:      Day(end.AddDate(0, 0, scaleDays).Format(time.DateOnly)),
		Decisions: []Decision{{At: start, Policy: "full", DecidedBy: "extensions.toml:6", Why: extension + " is full by extensions.toml:6"}},
		Leaf:      int64(i + 1),
	}
	for line, n := range []string{extension, other} {
		aor := "sip:" + n + "@192.0.2.10"
		r.Participants = append(r.Participants, Participant{AOR: aor, Number: n, Joined: start, Left: end})
		r.Streams = append(r.Streams, Stream{
			Label: strconv.Itoa(line + 1), Participant: aor, Channel: []string{"left", "right"}[line], Codec: "PCMU",
			Packets: int64(seconds * 50), Jitter: 1.95, JitterMax: 11.2, Drift: 3.1,
			Level:  &Level{RMS: -15, Peak: -11.9, Speech: seconds / 2, Silence: seconds / 2},
			HeldBy: []Holder{{Participant: aor, To: seconds, Channel: []string{"left", "right"}[line]}}, Gaps: []Gap{},
		})
	}
	if l.rand.IntN(3) == 0 {
		r.State, r.Policy, r.Segments = NotRecorded, "off", nil
		return r
	}
	r.File = "vault/" + start.Format("2006/01/02/") + id + ".body"
	r.Bytes, r.SHA256, r.Format = int64(seconds*16000), l.hex(), "wav pcmu 8000 Hz 2 ch"
	r.SealedBytes, r.SealedSHA256 = r.Bytes+1000, l.hex()
	return r
}

func (l *largeSite) all() iter.Seq2[*Row, error] {
	return func(yield func(*Row, error) bool) {
		for i := range l.rows {
			if !yield(l.row(i), nil) {
				return
			}
		}
	}
}

// scaleFirst is the first day of the large site.
var scaleFirst = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// scaleDir returns a data directory with a catalogue of many rows.
func scaleDir(b *testing.B) (dir string, rows int) {
	b.Helper()
	rows = scale(b)
	if dir = os.Getenv(scaleDirEnv); dir == "" {
		dir = b.TempDir()
	}
	dir = filepath.Join(dir, fmt.Sprint(rows))
	if _, err := os.Stat(filepath.Join(dir, "catalogue.db")); err == nil {
		return dir, rows
	}
	s, err := Open(Options{Dir: dir})
	check(b, err)
	// A row takes 4 KB with its indexes, and Compact the same once more.
	if free, _, err := s.Disk(); err != nil || free < uint64(rows)*10_000 {
		check(b, s.Close())
		b.Skipf("%d rows need %d GB of free space, there are %d (%v): set TMPDIR or %s", rows, rows*10_000/1e9, free/1e9, err, scaleRowsEnv)
	}
	begun := time.Now()
	n, err := s.bolt.Rebuild(b.Context(), newLargeSite(rows, scaleFirst).all())
	check(b, err)
	if n != rows {
		b.Fatalf("%d rows, want %d", n, rows)
	}
	check(b, s.Close())
	info, err := os.Stat(filepath.Join(dir, "catalogue.db"))
	check(b, err)
	b.Logf("%d rows generated in %.0f s, %.0f a second; %.2f GB", rows, time.Since(begun).Seconds(), float64(rows)/time.Since(begun).Seconds(), float64(info.Size())/1e9)
	return dir, rows
}

// BenchmarkLargeSite is a catalogue of millions of rows: the first page of every
// search, and what else reads rows.
func BenchmarkLargeSite(b *testing.B) {
	dir, rows := scaleDir(b)
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			s, err := Open(Options{Dir: dir})
			check(b, err)
			check(b, s.Recover(b.Context()))
			b.StopTimer()
			check(b, s.Close())
			b.StartTimer()
		}
		b.ReportMetric(b.Elapsed().Seconds()*1000/float64(b.N), "ms/start")
		b.ReportMetric(0, "ns/op")
	})
	s, err := Open(Options{Dir: dir})
	check(b, err)
	defer s.Close()
	for _, test := range largeSearches(b, s, rows) {
		b.Run(test.name, func(b *testing.B) { benchFirstPage(b, s.Catalog, test.q) })
	}
	b.Run("count", func(b *testing.B) {
		for b.Loop() {
			_, err := s.Catalog.Count(b.Context(), Query{})
			check(b, err)
		}
		b.ReportMetric(b.Elapsed().Seconds()*1000/float64(b.N), "ms/count")
		b.ReportMetric(0, "ns/op")
	})
	b.Run("plan of 30 days", func(b *testing.B) {
		for b.Loop() {
			for i := range 30 {
				q := Query{Dies: Day(scaleFirst.AddDate(0, 0, scaleDays+i).Format(time.DateOnly))}
				_, err := s.Catalog.Count(b.Context(), q)
				check(b, err)
				q.States = []State{Deleted}
				_, err = s.Catalog.Count(b.Context(), q)
				check(b, err)
			}
		}
		b.ReportMetric(b.Elapsed().Seconds()*1000/float64(b.N), "ms/plan")
		b.ReportMetric(0, "ns/op")
	})
	benchCompact(b, s)
}

// benchCompact rewrites the whole catalogue, once, while calls write rows.
func benchCompact(b *testing.B, s *Store) {
	var took, worst time.Duration
	var ids []string
	b.Run("compact", func(b *testing.B) {
		if took == 0 {
			stop, done := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(done)
				tick := time.NewTicker(20 * time.Millisecond)
				defer tick.Stop()
				for {
					select {
					case <-stop:
						return
					case <-tick.C:
					}
					begun := time.Now()
					row := rowNo(len(ids))
					check(b, s.Catalog.Put(context.Background(), row))
					ids = append(ids, row.ID)
					worst = max(worst, time.Since(begun))
				}
			}()
			begun := time.Now()
			check(b, s.Compact(b.Context()))
			took = time.Since(begun)
			close(stop)
			<-done
		}
		info, err := os.Stat(s.bolt.path)
		check(b, err)
		b.ReportMetric(took.Seconds(), "s/compact")
		b.ReportMetric(float64(info.Size())/1e9, "GB")
		b.ReportMetric(float64(worst.Microseconds())/1000, "ms-worst-put")
		b.ReportMetric(float64(len(ids)), "puts-meanwhile")
		b.ReportMetric(0, "ns/op")
	})
	for _, id := range ids {
		check(b, s.Catalog.Delete(context.Background(), id))
	}
}

type largeSearch struct {
	name string
	q    Query
}

// largeSearches are all that the product offers, with the worst of their kinds.
func largeSearches(b *testing.B, s *Store, rows int) []largeSearch {
	day := func(i int) time.Time { return scaleFirst.AddDate(0, 0, i) }
	var newest, oldest *Row
	for r, err := range s.Catalog.Find(b.Context(), Query{Limit: 1}) {
		check(b, err)
		newest = r
	}
	for r, err := range s.Catalog.Find(b.Context(), Query{Until: day(0).Add(9 * time.Hour), Limit: 1}) {
		check(b, err)
		oldest = r
	}
	return []largeSearch{
		{"newest", Query{}},
		{"between, far back", Query{Since: day(3), Until: day(4)}},
		{"between, nothing", Query{Since: day(-9), Until: day(-8)}},
		{"page after a row far back", Query{After: oldest.ID}},
		{"extension", Query{Extension: "2345"}},
		{"extension, the switchboard", Query{Extension: "2000"}},
		{"extension, nothing", Query{Extension: "9999"}},
		{"extension, far back", Query{Extension: "3925"}},
		{"extension and day far back", Query{Extension: "2000", Since: day(3), Until: day(4)}},
		{"exact number", Query{Number: newest.Other}},
		{"exact number, nothing", Query{Number: "0700000000"}},
		{"exact number and day far back", Query{Number: oldest.Other, Since: day(0), Until: day(1)}},
		{"exact number and day, nothing", Query{Number: newest.Other, Since: day(3), Until: day(4)}},
		{"exact number and busy extension", Query{Number: "025550777", Extension: "2000"}},
		{"exact number and extension, nothing", Query{Number: "03180360777", Extension: "2000"}},
		{"prefix of most rows", Query{Number: "0*"}},
		{"prefix of a million", Query{Number: "0105*"}},
		{"prefix of hundreds of thousands, far back", Query{Number: "0318036*"}},
		{"prefix, nothing", Query{Number: "0700*"}},
		{"prefix and day far back", Query{Number: "0105*", Since: day(3), Until: day(4)}},
		{"prefix and busy extension", Query{Number: "0105*", Extension: "2000"}},
		{"prefix and busy extension, nothing", Query{Number: "0318036*", Extension: "2000"}},
		{"prefix and day, nothing", Query{Number: "0318036*", Since: day(80), Until: day(81)}},
		{"suffix", Query{Number: "*0777"}},
		{"suffix of one digit", Query{Number: "*7"}},
		{"suffix, nothing", Query{Number: "*77777777777"}},
		{"suffix and extension", Query{Number: "*0777", Extension: "2345"}},
		{"suffix and busy extension, nothing", Query{Number: "*3601234", Extension: "2000"}},
		{"suffix and day far back", Query{Number: "*77", Since: day(3), Until: day(4)}},
		{"live, none", Query{States: []State{Live}}},
		{"live and number, none", Query{States: []State{Live}, Number: "0105*"}},
		{"states of all", Query{States: []State{Sealed, NotRecorded, Held, Waiting}}},
		{"one state and exact number", Query{States: []State{NotRecorded}, Number: newest.Other}},
		{"waiting, none", Query{States: []State{Waiting}}},
		{"session", Query{CS: newest.Sessions[0]}},
		{"dies on a day", Query{Dies: newest.Dies}},
		{"id", Query{ID: oldest.ID}},
		{"id, ten characters", Query{ID: oldest.ID[:10]}},
		{"id, four characters", Query{ID: oldest.ID[:4]}},
		{"id, four characters of another time", Query{ID: "01AA"}},
	}
}

// benchFirstPage prints the median and the worst of its runs.
func benchFirstPage(b *testing.B, c Catalog, q Query) {
	q.Limit = 50
	var took []time.Duration
	found := 0
	for b.Loop() {
		found = 0
		begun := time.Now()
		for _, err := range c.Find(context.Background(), q) {
			check(b, err)
			found++
		}
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(ms(took[len(took)/2]), "ms/page")
	b.ReportMetric(ms(took[len(took)-1]), "ms-worst")
	b.ReportMetric(float64(found), "found")
	b.ReportMetric(0, "ns/op")
}
