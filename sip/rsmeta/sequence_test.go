package rsmeta

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "rewrite the golden views in testdata/rsmeta")

// TestSequences applies the documents of each file of testdata/rsmeta one after
// the other, a second apart, and compares the view after each with the one
// written beside it. The comment's line "labels" gives the a=label of the lines.
func TestSequences(t *testing.T) {
	files, err := filepath.Glob("../../testdata/rsmeta/*.txtar")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			a := txtar.Parse(b)
			sequence(t, a)
			if *update {
				if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func sequence(t *testing.T, a *txtar.Archive) {
	var labels []string
	for line := range strings.Lines(string(a.Comment)) {
		if rest, ok := strings.CutPrefix(line, "labels"); ok {
			labels = strings.Fields(rest)
		}
	}
	var v View
	v.SetLines(labels)
	views := make(map[string]string)
	var files []txtar.File
	arrived := at0
	for _, f := range a.Files {
		name, ok := strings.CutSuffix(f.Name, ".xml")
		if !ok {
			views[f.Name] = string(f.Data)
			continue
		}
		doc, notes, err := Parse(f.Data, "", time.FixedZone("KST", 9*3600))
		got := ""
		if err != nil {
			got = fmt.Sprintf("not understood: %v\n", err)
		} else {
			notes = append(notes, v.Apply(doc, arrived)...)
			got = describe(&v, doc, labels)
		}
		arrived = arrived.Add(time.Second)
		for _, n := range notes {
			got += "note: " + n + "\n"
		}
		files = append(files, f, txtar.File{Name: name + ".view", Data: []byte(got)})
	}
	if *update {
		a.Files = files
		return
	}
	for _, f := range files {
		if want, ok := views[f.Name]; !strings.HasSuffix(f.Name, ".xml") && (!ok || want != string(f.Data)) {
			t.Errorf("%s is\n%swant\n%s", f.Name, f.Data, want)
		}
	}
}

// describe writes a view as one line a thing.
func describe(v *View, doc *Document, labels []string) string {
	var b strings.Builder
	since := func(at time.Time) string { return at.Sub(at0).Round(time.Millisecond).String() }
	for _, g := range doc.Groups {
		fmt.Fprintf(&b, "group %s\n", g.ID)
	}
	for _, s := range v.Sessions() {
		fmt.Fprintf(&b, "session %s", s.ID)
		for name, value := range map[string]string{"group": s.GroupRef} {
			if value != "" {
				fmt.Fprintf(&b, " %s %s", name, value)
			}
		}
		for _, id := range s.SIPSessionIDs {
			fmt.Fprintf(&b, " sip %s", id)
		}
		for _, r := range s.Reasons {
			fmt.Fprintf(&b, " reason %s %s %q", r.Protocol, r.Cause, r.Text)
		}
		if !s.Start.IsZero() {
			fmt.Fprintf(&b, " from %s", since(s.Start))
		}
		if !s.Stop.IsZero() {
			fmt.Fprintf(&b, " until %s", since(s.Stop))
		}
		b.WriteString("\n")
	}
	for _, p := range v.Parties() {
		fmt.Fprintf(&b, "party %s %s", p.ID, strings.Join(p.AORs, ","))
		if p.Name != "" {
			fmt.Fprintf(&b, " %q", p.Name)
		}
		fmt.Fprintf(&b, " in %q here %s-", p.Session, since(p.Joined))
		if !p.Left.IsZero() {
			b.WriteString(since(p.Left))
		}
		fmt.Fprintf(&b, " sends %v hears %v\n", p.Sends, p.Recvs)
	}
	for i, l := range labels {
		fmt.Fprintf(&b, "line %s from %v of %v\n", l, v.Senders(i), v.Owners(i))
	}
	for _, e := range doc.Extensions {
		fmt.Fprintf(&b, "data %s = %q\n", e.Path, e.Value)
	}
	if v.NeedSnapshot {
		b.WriteString("a snapshot is needed\n")
	}
	return b.String()
}
