package rsmeta

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "rewrite the golden views in testdata/rsmeta")

// TestSequences applies the documents of each file of testdata/rsmeta one after
// the other, a second apart, and compares the view after each with the one
// written beside it. The comment's line "labels" gives the a=label of the lines,
// - for a line without one, and a file N.labels gives new ones; its line
// "charset" is that of the parts' Content-Type.
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

// fixtures returns the documents of each file of testdata/rsmeta.
func fixtures(t testing.TB) (all [][]txtar.File) {
	files, err := filepath.Glob("../../testdata/rsmeta/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, slices.DeleteFunc(a.Files, func(f txtar.File) bool { return !strings.HasSuffix(f.Name, ".xml") }))
	}
	return all
}

func sequence(t *testing.T, a *txtar.Archive) {
	var labels []string
	charset := ""
	for line := range strings.Lines(string(a.Comment)) {
		if rest, ok := strings.CutPrefix(line, "labels"); ok {
			labels = labelsIn(rest)
		}
		if rest, ok := strings.CutPrefix(line, "charset"); ok {
			charset = strings.TrimSpace(rest)
		}
	}
	var v View
	v.SetLines(labels)
	views := make(map[string]string)
	var files []txtar.File
	arrived := at0
	for _, f := range a.Files {
		if strings.HasSuffix(f.Name, ".view") {
			views[f.Name] = string(f.Data)
			continue
		}
		doc, notes := &Document{}, []string(nil)
		if strings.HasSuffix(f.Name, ".labels") {
			labels = labelsIn(string(f.Data))
			notes = v.SetLines(labels)
		} else {
			doc, notes = receive(&v, f.Data, charset, arrived)
		}
		got := describe(&v, doc, labels)
		arrived = arrived.Add(time.Second)
		for _, n := range notes {
			got += "note: " + n + "\n"
		}
		name, _, _ := strings.Cut(f.Name, ".")
		files = append(files, f, txtar.File{Name: name + ".view", Data: []byte(got)})
	}
	if *update {
		a.Files = files
		return
	}
	for _, f := range files {
		if want, ok := views[f.Name]; strings.HasSuffix(f.Name, ".view") && (!ok || want != string(f.Data)) {
			t.Errorf("%s is\n%swant\n%s", f.Name, f.Data, want)
		}
	}
}

// receive applies one document as it comes; what is not understood leaves the
// view as it is.
func receive(v *View, body []byte, charset string, at time.Time) (*Document, []string) {
	doc, notes, err := Parse(body, charset, time.FixedZone("KST", 9*3600))
	if err != nil {
		return &Document{}, append(notes, "not understood: "+err.Error())
	}
	return doc, append(notes, v.Apply(doc, at)...)
}

func labelsIn(s string) []string {
	labels := strings.Fields(s)
	for i := range labels {
		if labels[i] == "-" {
			labels[i] = ""
		}
	}
	return labels
}

// describe writes a view as one line a thing.
func describe(v *View, doc *Document, labels []string) string {
	var b strings.Builder
	for _, g := range doc.Groups {
		fmt.Fprintf(&b, "group %s\n", g.ID)
	}
	for _, s := range v.Sessions() {
		describeSession(&b, s)
	}
	if len(v.Current()) < len(v.Sessions()) {
		b.WriteString("goes on:")
		for _, s := range v.Current() {
			b.WriteString(" " + s.ID)
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
		fmt.Fprintf(&b, " sends %s hears %s", shown(p.Sends), shown(p.Recvs))
		if !p.StatedJoin.IsZero() {
			fmt.Fprintf(&b, ", stated from %s", since(p.StatedJoin))
		}
		if !p.StatedLeave.IsZero() {
			fmt.Fprintf(&b, " until %s", since(p.StatedLeave))
		}
		b.WriteString("\n")
	}
	for i, l := range labels {
		fmt.Fprintf(&b, "line %s from %v of %v\n", cmp.Or(l, "-"), v.Senders(i), v.Owners(i))
	}
	for _, e := range doc.Extensions {
		fmt.Fprintf(&b, "data %s = %q", e.Path, e.Value)
		if e.Of != "" {
			b.WriteString(" of " + e.Of)
		}
		b.WriteString("\n")
	}
	if v.NeedSnapshot {
		b.WriteString("a snapshot is needed\n")
	}
	return b.String()
}

// shown writes labels, - for none.
func shown(labels []string) string {
	var s []string
	for _, l := range labels {
		s = append(s, cmp.Or(l, "-"))
	}
	return "[" + strings.Join(s, " ") + "]"
}

func describeSession(b *strings.Builder, s Session) {
	fmt.Fprintf(b, "session %s", s.ID)
	if s.GroupRef != "" {
		fmt.Fprintf(b, " group %s", s.GroupRef)
	}
	for _, id := range s.SIPSessionIDs {
		fmt.Fprintf(b, " sip %s", id)
	}
	for _, r := range s.Reasons {
		fmt.Fprintf(b, " reason %s %s %q", r.Protocol, r.Cause, r.Text)
	}
	if !s.Start.IsZero() {
		fmt.Fprintf(b, " from %s", since(s.Start))
	}
	if !s.Stop.IsZero() {
		fmt.Fprintf(b, " until %s", since(s.Stop))
	}
	b.WriteString("\n")
}

func since(at time.Time) string { return at.Sub(at0).Round(time.Millisecond).String() }
