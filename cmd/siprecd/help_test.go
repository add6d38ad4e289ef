package main

import (
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// Every command shows how it is used, in lines that fit a terminal.
func TestHelpTeaches(t *testing.T) {
	parser, err := kong.New(&commands{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range parser.Model.Children {
		if c.Hidden {
			continue
		}
		if !strings.Contains(c.Detail, "\n  siprecd "+c.Name) && c.Name != "serve" {
			t.Errorf("%s: no example in its help:\n%s", c.Name, c.Detail)
		}
		for _, line := range strings.Split(c.Detail, "\n") {
			if len([]rune(line)) > 85 {
				t.Errorf("%s: a line of %d columns: %s", c.Name, len([]rune(line)), line)
			}
		}
	}
}
