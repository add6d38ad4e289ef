package main

import (
	"strings"
	"testing"
	"time"

	"siprecd/store"
)

// TestReportOfALossyCall is one of a call with more gaps than a page has room for.
func TestReportOfALossyCall(t *testing.T) {
	row := &store.Row{ID: store.NewID(time.Now()), State: store.Interrupted, Policy: "selective", Duration: 3661.96, Segments: []store.Segment{{Start: 0, End: 59.97}}}
	st := store.Stream{Channel: "left"}
	for i := range 700 {
		st.Gaps = append(st.Gaps, store.Gap{Start: float64(i), End: float64(i) + 0.1, Cause: "lost"})
	}
	row.Streams = []store.Stream{st}
	var page strings.Builder
	if err := bundleReport(&page, bundlePage{Recordings: []bundlePart{partOf(row, false, time.UTC)}}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1:01:02.0", "00:00.0 – 01:00.0", "중단됨(복구) / interrupted", "선택 / selective", "외 688개", "합계 / together 01:10.0", "00:11.0 – 00:11.1"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if strings.Contains(page.String(), "00:12.0") {
		t.Error("the page shows more gaps than fit on it")
	}
}
