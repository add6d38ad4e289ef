package main

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSentence(t *testing.T) {
	for _, tc := range []struct {
		changes []string
		live    int
		want    string
	}{
		{[]string{"2002 selective → full", "3 new", "1 removed"}, 4, "2002 selective → full, 3 new, 1 removed; 4 live calls keep their policy"},
		{[]string{"1 new"}, 1, "1 new; 1 live call keeps its policy"},
		{[]string{"1 new"}, 0, "1 new"},
		{nil, 2, "nothing changes; 2 live calls keep their policy"},
	} {
		if got := sentence(tc.changes, tc.live); !slices.Equal(got, []string{tc.want}) {
			t.Errorf("%q", got)
		}
	}
	many := sentence(slices.Repeat([]string{"2002 selective → full"}, 20), 1)
	for _, line := range many {
		if utf8.RuneCountInString(line) > 80 {
			t.Errorf("too long: %s", line)
		}
	}
	if whole := strings.Join(many, " "); strings.Count(whole, "2002 selective → full, ") != 19 || !strings.HasSuffix(whole, "full; 1 live call keeps its policy") {
		t.Errorf("%q", many)
	}
}
