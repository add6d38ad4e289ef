package main

import "golang.org/x/text/width"

// columns is how many columns of a terminal a text takes: Korean takes two each.
func columns(s string) (n int) {
	for _, r := range s {
		n += columnsOf(r)
	}
	return n
}

func columnsOf(r rune) int {
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// clip keeps the first n columns of a field that came from the wire, harmless to a
// terminal.
func clip(s string, n int) string {
	s = printable(s)
	if columns(s) <= n {
		return s
	}
	kept, room := "", n-1
	for _, r := range s {
		if room -= columnsOf(r); room < 0 {
			break
		}
		kept += string(r)
	}
	return kept + "…"
}

// pad fills a field up to n columns: the verbs of fmt count characters.
func pad(s string, n int) string {
	for k := n - columns(s); k > 0; k-- {
		s += " "
	}
	return s
}
