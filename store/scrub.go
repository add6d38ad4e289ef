package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	scrubFile = "scrub.json"
	// scrubSave is how much reading a restart repeats.
	scrubSave = time.Minute
	// scrubMost is how many findings are kept in words; all are counted.
	scrubMost = 20
	// scrubPart bounds those of a scrub that is not at its end.
	scrubPart = 1000
)

// Scrub is what the newest Verify of the whole store found, and the JSON of
// scrub.json.
type Scrub struct {
	Begun      time.Time      `json:"begun"`
	Ended      time.Time      `json:"ended,omitzero"` // zero: it goes on, or waits for the next start
	Leaves     int64          `json:"leaves"`
	Recordings int            `json:"recordings"` // whose bodies were read
	Bytes      int64          `json:"bytes"`
	Gone       int            `json:"gone"`             // that the ledger says are destroyed
	Found      map[string]int `json:"found,omitempty"`  // findings, by what they are: missing, altered, …
	Findings   []Finding      `json:"findings"`         // the first of them
	Behind     string         `json:"behind,omitempty"` // the body read last, of one that goes on
}

// Words says what was found in one line.
func (c *Scrub) Words() string {
	var parts []string
	for _, what := range []string{"missing", "altered", "added", "unreadable", "out-of-order"} {
		if n := c.Found[what]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, what))
		}
	}
	if len(parts) == 0 {
		return "nothing missing, altered or added"
	}
	return strings.Join(parts, ", ")
}

// Scrubbed returns what the newest Scrub found, or has found so far; ErrNotFound
// when there was none.
func (s *Store) Scrubbed() (Scrub, error) {
	var c Scrub
	b, err := os.ReadFile(s.scrubPath())
	if errors.Is(err, fs.ErrNotExist) {
		return c, ErrNotFound
	}
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil {
		return Scrub{}, fmt.Errorf("%s: %w: %w", scrubFile, ErrDamaged, err)
	}
	return c, nil
}

func (s *Store) scrubPath() string { return filepath.Join(s.dir, scrubFile) }

// Scrub verifies the whole store at a pace, as VerifyOptions describes it, tells
// the ledger what it found, and keeps that over restarts. One that was ended
// early, by ctx or by a crash, is gone on with behind the bodies it had read.
func (s *Store) Scrub(ctx context.Context, pace func(ctx context.Context, bytes int) error) (Scrub, error) {
	before, err := s.Scrubbed()
	if err != nil || !before.Ended.IsZero() {
		before = Scrub{Begun: time.Now().UTC()} // a file that is damaged holds nothing to go on from
	}
	// What was appended until now is looked at against a signature too.
	if _, err := s.Ledger.Checkpoint(); err != nil {
		return before, fmt.Errorf("scrub: %w", err)
	}
	c := before
	saved := time.Now()
	v, err := s.Verify(ctx, VerifyOptions{Pace: pace, Behind: before.Behind, Read: func(name string, found *Verification) {
		c.Behind = name
		if time.Since(saved) < scrubSave {
			return
		}
		saved = time.Now()
		if err := s.saveScrub(before.with(*found, name)); err != nil {
			s.log.Warn("how far the scrub is cannot be kept: a restart begins it again", "side", "srs", "reason", err)
		}
	}})
	c = before.with(v, c.Behind)
	if err != nil {
		return c, fmt.Errorf("scrub: %w", errors.Join(err, s.saveScrub(c)))
	}
	return s.endScrub(c)
}

// with adds what was found behind the bodies that were read before. Of those only
// what was wrong with themselves is kept: the rest is found again.
func (c Scrub) with(v Verification, behind string) Scrub {
	kept := slices.DeleteFunc(slices.Clone(c.Findings), func(f Finding) bool {
		return f.What == "added" || !inVault(f.Where) || slices.Contains(v.Findings, f)
	})
	c.Findings = append(kept, v.Findings...)
	c.Findings = c.Findings[:min(len(c.Findings), scrubPart)]
	c.Found = make(map[string]int)
	for _, f := range slices.Concat(kept, v.Findings) {
		c.Found[f.What]++
	}
	c.Leaves, c.Gone, c.Behind = v.Leaves, v.Gone, behind
	c.Recordings += v.Recordings
	c.Bytes += v.Bytes
	return c
}

func inVault(where string) bool {
	return strings.HasPrefix(where, vaultDir+"/") || strings.HasPrefix(where, originalsDir+"/")
}

// endScrub tells the ledger first: a crash in between tells it again, not never.
func (s *Store) endScrub(c Scrub) (Scrub, error) {
	c.Ended, c.Behind = time.Now().UTC(), ""
	c.Findings = c.Findings[:min(len(c.Findings), scrubMost)]
	public := map[string]string{
		"leaves": strconv.FormatInt(c.Leaves, 10), "recordings": strconv.Itoa(c.Recordings),
		"bytes": strconv.FormatInt(c.Bytes, 10), "gone": strconv.Itoa(c.Gone),
	}
	for what, n := range c.Found {
		public[what] = strconv.Itoa(n)
	}
	s.Tell(Entry{Kind: EventScrubbed, Public: public})
	return c, s.saveScrub(c)
}

func (s *Store) saveScrub(c Scrub) error {
	if c.Findings == nil {
		c.Findings = []Finding{}
	}
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	return s.sys.replace(s.scrubPath(), append(text, '\n'))
}
