package main

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
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
	Segments, Gaps []string // the first shownMost of them
	MoreSegments   int
	MoreGaps       int
	Missing        string // length of all gaps together
	Original       bool
}

// shownMost is how many periods or gaps fit on the page: all are in the facts.
const shownMost = 12

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
	for i, s := range row.Segments {
		if i == shownMost {
			p.MoreSegments = len(row.Segments) - i
			break
		}
		p.Segments = append(p.Segments, fmt.Sprintf("%s – %s", onClock(s.Start), onClock(s.End)))
	}
	missing := 0.0
	for _, st := range row.Streams {
		for _, g := range st.Gaps {
			missing += g.End - g.Start
			if len(p.Gaps) == shownMost {
				p.MoreGaps++
				continue
			}
			p.Gaps = append(p.Gaps, fmt.Sprintf("%s – %s (%s, %s)", onClock(g.Start), onClock(g.End), st.Channel, g.Cause))
		}
	}
	p.Missing = onClock(missing)
	return p
}

// inKorean is what the page says beside our own words.
var inKorean = map[string]string{
	"full": "전수", "selective": "선택", "off": "안 함",
	string(store.Sealed): "정상 종료", string(store.Interrupted): "중단됨(복구)", string(store.Held): "보존 유예",
}

// Words is one of our own words in both languages.
func (bundlePart) Words(word any) string {
	own := fmt.Sprint(word)
	if korean := inKorean[own]; korean != "" {
		return korean + " / " + own
	}
	return own
}

// onClock writes 75.5 as 01:15.5.
func onClock(s float64) string {
	tenths := int(math.Round(s * 10))
	minutes, rest := tenths/600, float64(tenths%600)/10
	if h := minutes / 60; h > 0 {
		return fmt.Sprintf("%d:%02d:%04.1f", h, minutes%60, rest)
	}
	return fmt.Sprintf("%02d:%04.1f", minutes, rest)
}
