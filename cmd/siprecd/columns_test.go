package main

import "testing"

func TestColumns(t *testing.T) {
	for s, want := range map[string]int{"": 0, "2001": 4, "감사-17": 7, "민원실": 6, "e\u00e9": 2} {
		if got := columns(s); got != want {
			t.Errorf("%q takes %d columns, want %d", s, got, want)
		}
	}
	for _, test := range []struct {
		s    string
		n    int
		want string
	}{{"민원실", 6, "민원실"}, {"민원실", 5, "민원…"}, {"민원실", 4, "민…"}, {"2001", 4, "2001"}, {"20011", 4, "200…"}} {
		if got := clip(test.s, test.n); got != test.want {
			t.Errorf("%q clipped to %d: %q, want %q", test.s, test.n, got, test.want)
		}
	}
	if got := pad("민원실", 8); got != "민원실  " {
		t.Errorf("padded: %q", got)
	}
}
