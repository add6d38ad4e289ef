package store

import (
	"encoding/json"
	"testing"
)

func TestRowJSONHasListsWhereTheContractSaysSo(t *testing.T) {
	b, err := json.Marshal([]*Row{{ID: "x", Start: noon, Streams: []Stream{{}}}})
	check(t, err)
	const want = `[{"id":"x","state":"","start":"2026-03-01T12:00:00Z","duration":0,"extension":"","other":"",` +
		`"direction":"","policy":"","decided_by":"","src":"","participants":[],"segments":[],` +
		`"streams":[{"label":"","participant":"","channel":"","codec":"","packets":0,"lost":0,"late":0,"duplicates":0,"refused":0,"jitter_ms":0,"jitter_max_ms":0,"drift_ppm":0,"gaps":[]}],` +
		`"keys":[],"notes":[]}]`
	if string(b) != want {
		t.Errorf("%s\nwant\n%s", b, want)
	}
}
