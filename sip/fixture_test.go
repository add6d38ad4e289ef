package sip

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"siprecd/sip/rsmeta"
)

var update = flag.Bool("update", false, "rewrite what testdata/src says of offers and answers")

// TestSources reads testdata/src: what each kind of SRC sends. An archive is one
// source: for each "request" it has the "offer" understood and the
// "answer" given when every audio line is accepted.
func TestSources(t *testing.T) {
	files, err := filepath.Glob("../testdata/src/*.txtar")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d fixtures found, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := playSource(t, archive)
			if *update {
				if err := os.WriteFile(file, txtar.Format(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			for i, want := range archive.Files {
				if i >= len(got.Files) || got.Files[i].Name != want.Name || !bytes.Equal(got.Files[i].Data, want.Data) {
					t.Errorf("section %d, %s:\n%s", i+1, want.Name, want.Data)
					if i < len(got.Files) {
						t.Errorf("got %s:\n%s", got.Files[i].Name, got.Files[i].Data)
					}
				}
			}
			if len(got.Files) != len(archive.Files) {
				t.Errorf("%d sections, want %d", len(archive.Files), len(got.Files))
			}
		})
	}
}

// playSource reads the requests in order and returns the archive as it should be.
func playSource(t *testing.T, archive *txtar.Archive) *txtar.Archive {
	got := &txtar.Archive{Comment: archive.Comment}
	var view rsmeta.View
	var labels []string
	callID := ""
	for _, f := range archive.Files {
		if f.Name != "request" {
			continue
		}
		raw := bytes.ReplaceAll(f.Data, []byte("\n"), []byte("\r\n"))
		m, n, err := ParseMessage(raw, true)
		if err != nil || n != len(raw) {
			t.Fatalf("%d of %d bytes read, %v\n%s", n, len(raw), err, f.Data)
		}
		at := time.Date(2026, 3, 2, 9, 0, len(got.Files), 0, time.UTC)
		o, err := m.Offer(at)
		if err != nil {
			t.Fatalf("%v\n%s", err, f.Data)
		}
		if m.CallID != callID {
			callID, view = m.CallID, rsmeta.View{}
		}
		if o.Media != nil {
			labels = nil
			for _, l := range o.Media.Lines {
				labels = append(labels, l.Label)
			}
		}
		got.Files = append(got.Files, f,
			txtar.File{Name: "offer", Data: []byte(describeRequest(m, at) + describe(o) + describeParties(t, &view, o, labels))},
			txtar.File{Name: "answer", Data: []byte(answerSource(t, o))})
	}
	return got
}

// describeRequest writes whether an INVITE is known as an RS, and what it says
// beside its body.
func describeRequest(m *Message, at time.Time) string {
	var b strings.Builder
	if m.Method == "INVITE" {
		known := "by configuration only"
		if m.Recording() {
			known = "by its signs"
		}
		fmt.Fprintf(&b, "a recording session %s\n", known)
	}
	info := m.Info(at, "udp", bubbleSRC.AddrPort(), bubbleSRS.AddrPort())
	fmt.Fprintf(&b, "from %s to %s\n", info.From.User, info.To.User)
	for _, name := range slices.Sorted(maps.Keys(info.Correlation)) {
		fmt.Fprintf(&b, "with %s\n", strings.TrimSpace(name+" "+info.Correlation[name]))
	}
	return b.String()
}

func describeParties(t *testing.T, view *rsmeta.View, o *Offer, labels []string) string {
	view.SetLines(labels)
	for _, m := range o.Metadata {
		doc, _, err := rsmeta.Parse(m.Body, m.Charset, nil)
		if err != nil {
			t.Fatalf("%v\n%s", err, m.Body)
		}
		view.Apply(doc, o.At)
	}
	if len(o.Metadata) == 0 {
		return ""
	}
	var b strings.Builder
	for _, p := range view.Parties() {
		fmt.Fprintf(&b, "party %s", p.AOR)
		if p.Name != "" {
			fmt.Fprintf(&b, " %q", p.Name)
		}
		for i, label := range p.Sends {
			fmt.Fprintf(&b, "%s%s", []string{" sends ", ","}[min(i, 1)], cmp.Or(label, "the line without a label"))
		}
		if !p.Left.IsZero() {
			b.WriteString(" left")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// answerSource is what an SRS that records all audio answers.
func answerSource(t *testing.T, o *Offer) string {
	switch {
	case o.Method == "ACK":
		return "nothing: it answers our offer\n"
	case o.Media == nil && !o.WantOffer:
		return "200 without SDP\n"
	case o.Media == nil:
		pcmu := []Codec{{Payload: 0, Name: "PCMU", Clock: 8000, Channels: 1}}
		sdp, _, err := encodeAnswer(nil, Answer{Addr: ours, Lines: []AnswerLine{{Port: 30000, Direction: RecvOnly, Codecs: pcmu}}}, 1, 1)
		if err != nil {
			t.Fatal(err)
		}
		return "200 with our offer\n" + strings.ReplaceAll(string(sdp), "\r\n", "\n")
	}
	a := answerAll(o.Media)
	for i, l := range o.Media.Lines {
		if l.Kind != "audio" {
			a.Lines[i] = AnswerLine{}
		}
		for _, c := range l.Crypto[:min(1, len(l.Crypto))] {
			ours := Crypto{Tag: c.Tag, Suite: c.Suite, Keys: []CryptoKey{{Key: []byte("our own key, not a key, not a k")[:30]}}}
			a.Lines[i].Crypto = []Crypto{ours}
		}
	}
	sdp, used, err := encodeAnswer(o.Media, a, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(used.Lines, func(l AnswerLine) bool { return l.Port != 0 }) {
		return "488, no line can be accepted\n"
	}
	return "200\n" + strings.ReplaceAll(string(sdp), "\r\n", "\n")
}

// No fixture names an address or number that belongs to somebody.
func TestSourcesAreOurOwn(t *testing.T) {
	files, _ := filepath.Glob("../testdata/src/*.txtar")
	documentation := []netip.Prefix{
		netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.0/24"),
		netip.MustParsePrefix("0.0.0.0/32"), netip.MustParsePrefix("2001:db8::/32"),
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range strings.FieldsFunc(string(text), func(c rune) bool { return !strings.ContainsRune("0123456789.", c) }) {
			addr, err := netip.ParseAddr(strings.Trim(word, "."))
			if err == nil && !slices.ContainsFunc(documentation, func(p netip.Prefix) bool { return p.Contains(addr) }) {
				t.Errorf("%s: %s is not from RFC 5737", filepath.Base(file), addr)
			}
		}
	}
}
