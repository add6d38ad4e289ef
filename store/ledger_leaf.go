package store

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Leaf is one event as it stands in the Merkle tree, for ever: it holds
// nothing that would have to be forgotten one day.
type Leaf struct {
	Time    time.Time
	Kind    string
	Subject string            // ULID, date, or empty
	Row     string            // salted digest of the readable row, hex; empty: there is none
	Public  map[string]string // facts that name nobody
}

const leafHead = "siprecd leaf 1"

var errLeaf = errors.New("not a leaf")

// leafWord reports whether s is a kind of event or the name of a fact: 1 to 64
// of a-z, 0-9, and, but for the first, "_", "." and "-". Every word of millions
// of leaves is looked at when they are verified: a regular expression would take
// most of the time.
func leafWord(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && (i == 0 || c != '_' && c != '.' && c != '-') {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// leafValue reports whether s is a fact: at most 512 characters, none of them a
// control character of ASCII.
func leafValue(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			return false
		}
	}
	return len(s) <= 512 || utf8.RuneCountInString(s) <= 512
}

// MarshalText writes the leaf as lines of text:
//
//	siprecd leaf 1
//	time 2026-11-23T09:00:00.000000001Z
//	kind sealed
//	subject 01KAXB…
//	row 5f3c…
//	sha256 77ab…
//
// An absent subject or row has no line; the public facts follow in order of
// their names.
func (l Leaf) MarshalText() ([]byte, error) {
	if !leafWord(l.Kind) {
		return nil, fmt.Errorf("%q is not a kind of event", l.Kind)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\ntime %s\nkind %s\n", leafHead, l.Time.UTC().Format(time.RFC3339Nano), l.Kind)
	if l.Subject != "" {
		fmt.Fprintf(&b, "subject %s\n", l.Subject)
	}
	if l.Row != "" {
		fmt.Fprintf(&b, "row %s\n", l.Row)
	}
	for _, k := range slices.Sorted(maps.Keys(l.Public)) {
		if !leafWord(k) || slices.Contains(ownLines, k) || !leafValue(l.Public[k]) {
			return nil, fmt.Errorf("%q is not a fact that a leaf can hold", k)
		}
		fmt.Fprintf(&b, "%s %s\n", k, l.Public[k])
	}
	if !leafValue(l.Subject) || strings.Contains(l.Subject, " ") {
		return nil, errors.New("the subject of a leaf is one word")
	}
	if b.Len() > leafMost {
		return nil, fmt.Errorf("a leaf of %d bytes", b.Len())
	}
	return b.Bytes(), nil
}

// ownLines are the names that a public fact cannot have.
var ownLines = []string{"time", "kind", "subject", "row"}

// UnmarshalText reads what MarshalText wrote, and nothing else.
func (l *Leaf) UnmarshalText(text []byte) error {
	body, ok := strings.CutSuffix(string(text), "\n")
	if !ok {
		return errLeaf
	}
	lines := strings.Split(body, "\n")
	if lines[0] != leafHead {
		return errLeaf
	}
	read := Leaf{}
	for _, line := range lines[1:] {
		k, v, ok := strings.Cut(line, " ")
		if !ok {
			return errLeaf
		}
		switch k {
		case "time":
			at, err := time.Parse(time.RFC3339Nano, v)
			if err != nil {
				return fmt.Errorf("%w: %w", errLeaf, err)
			}
			read.Time = at
		case "kind":
			read.Kind = v
		case "subject":
			read.Subject = v
		case "row":
			read.Row = v
		default:
			if read.Public == nil {
				read.Public = make(map[string]string)
			}
			read.Public[k] = v
		}
	}
	again, err := read.MarshalText()
	if err != nil || !bytes.Equal(again, text) {
		return errLeaf
	}
	*l = read
	return nil
}
