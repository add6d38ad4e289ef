package main

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"time"

	"siprecd/store"
)

//go:embed bundle/READ-ME.txt
var bundleReadMe []byte

//go:embed bundle/report.html
var bundleReportPage string

// bundlePage is what the report of a bundle says.
type bundlePage struct {
	Reason, Document, Made, Version string
	Leaves                          int64
	Signed, Key                     string
	Seen                            int64 // leaves that a witness cosigned
	SeenAt, Witness                 string
	Recordings                      []bundlePart
}

type bundlePart struct {
	*store.Row
	Start, Length  string
	Segments, Gaps []string
	Original       bool
}

// clock is how times are written for people: local, to the second, with their
// zone.
const clock = "2006-01-02 15:04:05 MST"

func bundleReport(w io.Writer, p bundlePage) error {
	page, err := template.New("report").Parse(bundleReportPage)
	if err != nil {
		return err
	}
	return page.Execute(w, p)
}

func partOf(row *store.Row, original bool, zone *time.Location) bundlePart {
	p := bundlePart{Row: row, Original: original, Start: row.Start.In(zone).Format(clock), Length: onClock(row.Duration)}
	for _, s := range row.Segments {
		p.Segments = append(p.Segments, fmt.Sprintf("%s – %s", onClock(s.Start), onClock(s.End)))
	}
	for _, st := range row.Streams {
		for _, g := range st.Gaps {
			p.Gaps = append(p.Gaps, fmt.Sprintf("%s – %s (%s, %s)", onClock(g.Start), onClock(g.End), st.Channel, g.Cause))
		}
	}
	return p
}

// onClock writes 75.5 as 01:15.5.
func onClock(s float64) string {
	whole := int(s)
	if h := whole / 3600; h > 0 {
		return fmt.Sprintf("%d:%02d:%04.1f", h, whole/60%60, s-float64(whole/60*60))
	}
	return fmt.Sprintf("%02d:%04.1f", whole/60, s-float64(whole/60*60))
}
