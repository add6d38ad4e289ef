package main

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"siprecd/cmd/siprecd/place"
	"siprecd/store"
)

func TestRowsFitATerminal(t *testing.T) {
	now := time.Now()
	rows := []store.Row{
		{ID: "01M84SA42CDTNETV0C2GR3XJBW", Start: now, Duration: 35999, Extension: "+33360653674", Other: "sip:alice.of.wonderland",
			Direction: "internal", Policy: "selective", State: store.NotRecorded},
		{ID: "01M84SA42CDTNETV0C2GR3XJBX", Start: now.AddDate(-9, 0, 0), Duration: 12.6, Extension: "alexandra", Other: "01055501012",
			Direction: "unknown", Policy: "full", State: store.Interrupted},
	}
	var b strings.Builder
	printRows(&b, rows, time.UTC)
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != 3 {
		t.Fatal(b.String())
	}
	for _, line := range lines {
		if n := utf8.RuneCountInString(line); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	for i, want := range []string{
		" 9h59 …53674 sip:alice.… int sel  not-rec…",
		now.AddDate(-9, 0, 0).UTC().Format("2006-01-02") + "    13 alexa… 01055501012 ?   full interru…",
	} {
		if !strings.HasSuffix(lines[i+1], want) {
			t.Errorf("%s\nwant %s", lines[i+1], want)
		}
	}
}

// A daemon says of a call that goes on what is amiss with it.
func TestLiveCallsSayWhatIsAmiss(t *testing.T) {
	d := plainDaemon(t, "")
	defer d.stop(t.Context())
	ctx, hangUp := context.WithCancel(t.Context())
	over := make(chan struct{})
	defer func() { hangUp(); <-over }()
	go func() {
		defer close(over)
		// Cancelled: how it ended is of no interest here.
		_, _ = place.Call{
			Target: "sip:" + d.sip.Addr(0).String(), From: "2001", To: "0105550101", Duration: time.Minute,
			B: place.Side{Delay: time.Minute},
		}.Run(ctx)
	}()
	want := []string{"blank", "no-rtp"}
	for end := time.Now().Add(20 * time.Second); ; <-time.After(50 * time.Millisecond) {
		live := d.status().Live
		if len(live) == 1 && slices.Equal(live[0].Quality, want) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("want %q of the live call: %+v", want, live)
		}
	}
	w := httptest.NewRecorder()
	d.control.Handler.ServeHTTP(w, httptest.NewRequest("GET", "/calls?live=true", nil))
	var rows []store.Row
	if err := json.Unmarshal(w.Body.Bytes(), &rows); err != nil || len(rows) != 1 {
		t.Fatalf("%v: %s", err, w.Body)
	}
	if r := rows[0]; r.Heard == 0 || r.Streams[0].Level == nil || r.Streams[0].Level.Silence < 1 || r.Streams[1].Packets != 0 {
		t.Errorf("%+v", r)
	}
	var b strings.Builder
	printRows(&b, rows, time.UTC)
	for _, line := range []string{
		"\n  no-rtp   a line was signalled, and not a packet has come on it\n",
		"\n  blank    a line carries nothing but filling: every sample is the same\n",
	} {
		if !strings.Contains(b.String(), line) {
			t.Errorf("%q is missing in\n%s", line, b.String())
		}
	}
}

func TestSeconds(t *testing.T) {
	for s, want := range map[float64]string{0: "0", 9999.4: "9999", 10000: "2h46", 35999.6: "10h", 360000: "100h"} {
		if got := seconds(s); got != want {
			t.Errorf("%v is %s, want %s", s, got, want)
		}
	}
}

func TestReadTime(t *testing.T) {
	seoul := time.FixedZone("KST", 9*60*60)
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, seoul)
	for text, want := range map[string]time.Time{
		"":                     {},
		"2h":                   now.Add(-2 * time.Hour),
		"2026-11-23":           time.Date(2026, 11, 23, 0, 0, 0, 0, seoul),
		"2026-11-23T09:00":     time.Date(2026, 11, 23, 9, 0, 0, 0, seoul),
		"2026-11-23 09:00:30":  time.Date(2026, 11, 23, 9, 0, 30, 0, seoul),
		"2026-11-23T00:00:00Z": time.Date(2026, 11, 23, 9, 0, 0, 0, seoul),
	} {
		if got, err := readTime(text, seoul, now); err != nil || !got.Equal(want) {
			t.Errorf("%q is %v, %v, want %v", text, got, err, want)
		}
	}
	if _, err := readTime("yesterday", seoul, now); err == nil {
		t.Error("yesterday was taken for a time")
	}
}

// TestContract holds the names of calls --json, and of what is in its lists.
func TestContract(t *testing.T) {
	var out, complaints bytes.Buffer
	if code := run([]string{"replay", "../../testdata/rtp/opensips-call.pcap", "--config", "testdata/contract", "--json", "-o", t.TempDir()}, &out, &complaints); code != 0 {
		t.Fatalf("%d %s", code, &complaints)
	}
	var rows []map[string]any
	if err := json.Unmarshal(out.Bytes(), &rows); err != nil || len(rows) != 1 {
		t.Fatalf("%v in %s", err, &out)
	}
	row := rows[0]
	for list, names := range map[string]string{
		"":             "id state start end duration extension other direction policy decided_by src participants segments streams keys notes",
		"participants": "aor name number joined left", "segments": "start end",
		"streams": "label participant codec packets lost late duplicates refused gaps", "keys": "at stream command via",
	} {
		members := []any{row}
		if list != "" {
			members = row[list].([]any)
		}
		if len(members) == 0 {
			t.Errorf("no %s in %s", list, &out)
		}
		for _, m := range members {
			have := slices.Collect(maps.Keys(m.(map[string]any)))
			for name := range strings.FieldsSeq(names) {
				if !slices.Contains(have, name) {
					t.Errorf("%s: no %q among %q", list, name, have)
				}
			}
		}
	}
	if row["decided_by"] != "extensions.toml:4" || row["policy"] != "selective" {
		t.Errorf("%v by %v", row["policy"], row["decided_by"])
	}
	for _, name := range []string{"start", "end"} {
		if _, err := time.Parse(time.RFC3339Nano, row[name].(string)); err != nil {
			t.Error(err)
		}
	}
}
