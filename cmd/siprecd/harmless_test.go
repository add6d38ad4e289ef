package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"siprecd/store"
)

// What somebody wrote into a name or number is text to a terminal and to a
// reader of JSON, and nothing else.
func TestRowsAreHarmlessToATerminal(t *testing.T) {
	for _, name := range []string{
		"\x1b[2J\x1b]0;title\x07", "two\r\nlines", "\u202egnp.exe", "\xb1\xe8\xc3\xb6\xbc\xf6", "\xc0\xaf", "<script>alert(1)</script>",
		"=cmd()|' /C calc'!A0", "\U0001F600", "\x00", strings.Repeat("9", 10_000),
	} {
		row := store.Row{ID: "01JDC0FZ2N0000000000000000", Extension: name, Other: name, Direction: name, Policy: name, Source: name,
			Participants: []store.Participant{{AOR: name, Name: name}}, Notes: []string{name}}
		var table bytes.Buffer
		printRows(&table, []store.Row{row}, time.UTC)
		lines := strings.Split(strings.TrimSuffix(table.String(), "\n"), "\n")
		if len(lines) != 2 || utf8.RuneCountInString(lines[1]) > 90 || !utf8.ValidString(lines[1]) {
			t.Errorf("%.40q is printed as\n%q", name, lines)
		}
		for _, c := range lines[len(lines)-1] {
			if c < ' ' || c == 0x7f || c == '\u202e' {
				t.Errorf("%.40q brings %U to the terminal", name, c)
			}
		}
		text, err := json.Marshal(row)
		if err != nil || !utf8.Valid(text) || bytes.ContainsAny(text, "\x1b\x07\r\n<>") {
			t.Errorf("%.40q becomes %.200s, %v", name, text, err)
		}
	}
}
