package rsmeta

import (
	"strings"
	"testing"
)

func TestD01_Charsets(t *testing.T) {
	utf16 := func(order string, s string) string {
		b := order
		for _, c := range s {
			if order == "\xff\xfe" {
				b += string([]byte{byte(c), byte(c >> 8)})
			} else {
				b += string([]byte{byte(c >> 8), byte(c)})
			}
		}
		return b
	}
	const korean = "\xb1\xe8\xc7\xcf\xb3\xaa" // in EUC-KR
	for name, c := range map[string]struct {
		charset, head, name, want string
		noted                     bool
	}{
		"nothing said":              {"", "", "김하나", "김하나", false},
		"UTF-8 declared":            {"", "UTF-8", "김하나", "김하나", false},
		"a byte order mark":         {"", "\xef\xbb\xbf", "김하나", "김하나", false},
		"EUC-KR declared":           {"", "euc-kr", korean, "김하나", false},
		"EUC-KR by the part":        {`"EUC-KR"`, "", korean, "김하나", false},
		"the part wins":             {"euc-kr", "ISO-8859-1", korean, "김하나", false},
		"the part is wrong":         {"utf-8", "euc-kr", korean, "김하나", false},
		"EUC-KR not said":           {"", "", korean, "김하나", true},
		"EUC-KR called UTF-8":       {"utf-8", "UTF-8", korean, "김하나", true},
		"UTF-8 called EUC-KR":       {"euc-kr", "EUC-KR", "김하나", "김하나", false},
		"UTF-8 called Latin-1":      {"", "ISO-8859-1", "김하나", "김하나", false},
		"Latin-1 declared":          {"", "iso-8859-1", "Zo\xe9", "Zoé", false},
		"Latin-1 not said":          {"", "", "Ren\xe9e", "Renée", true},
		"Latin-9":                   {"iso-8859-15", "", "\xa4", "€", false},
		"an unknown one, UTF-8":     {"x-klingon", "x-klingon", "김하나", "김하나", false},
		"an unknown one, not UTF-8": {"x-klingon", "", korean, "김하나", true},
		"no text in any":            {"", "", "\xff\x81\xfe", "ÿ\ufffdþ", true},
	} {
		head := ""
		if c.head != "" {
			head = `<?xml version="1.0" encoding="` + c.head + `"?>`
		}
		if strings.HasPrefix(c.head, "\xef") {
			head = c.head
		}
		raw := head + `<recording><participant participant_id="p"><nameID aor="sip:2001@example.org"><name>` + c.name + `</name></nameID></participant></recording>`
		doc, notes, err := Parse([]byte(raw), c.charset, nil)
		if err != nil || doc.Participants[0].Names[0].Display != c.want || (len(notes) > 0) != c.noted {
			t.Errorf("%s: %+v, %q, %v", name, doc, notes, err)
		}
	}
	for _, order := range []string{"\xff\xfe", "\xfe\xff"} {
		raw := utf16(order, `<?xml version="1.0" encoding="UTF-16"?><recording><participant participant_id="p"><nameID aor="x"><name>김하나</name></nameID></participant></recording>`)
		for _, raw := range []string{raw, raw[2:]} {
			doc, notes, err := Parse([]byte(raw), "", nil)
			if err != nil || doc.Participants[0].Names[0].Display != "김하나" || len(notes) > 0 {
				t.Errorf("UTF-16: %+v, %q, %v", doc, notes, err)
			}
		}
	}
}
