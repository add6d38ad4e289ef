package rsmeta

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/korean"
)

// toUTF8 decodes a document. A byte order mark is believed first, then the
// charset of the part (RFC 7303 section 3), then what the document declares,
// then the bytes themselves. Names in them may be all that is wrong with a
// document, so a wrong guess is a note.
func toUTF8(raw []byte, charset string) (text string, notes []string) {
	if t, found := fromUTF16(raw, charset); found {
		return t, nil
	}
	raw = bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))
	for _, label := range []string{charset, declared(raw)} {
		e := known(label)
		if e == nil && label != "" && utf8.Valid(raw) {
			return string(raw), nil
		}
		// Some declare another encoding and send UTF-8 all the same.
		if e == nil || isHangul(raw) {
			continue
		}
		if t, lossless := decode(e, raw); lossless {
			return t, nil
		}
	}
	if utf8.Valid(raw) {
		return string(raw), nil
	}
	if t, lossless := decode(korean.EUCKR, raw); lossless {
		return t, []string{"bytes that are not UTF-8 were read as EUC-KR"}
	}
	t, _ := decode(charmap.Windows1252, raw)
	return t, []string{"bytes that are not UTF-8 were read as Latin-1"}
}

// declared returns the encoding that an XML declaration names.
func declared(raw []byte) string {
	head, _, _ := strings.Cut(string(raw[:min(len(raw), 200)]), ">")
	_, value, _ := strings.Cut(head, "encoding")
	value = strings.TrimLeft(value, " \t\r\n=\\\"'“”")
	if i := strings.IndexAny(value, " \t\r\n?\\\"'“”"); i >= 0 {
		value = value[:i]
	}
	return value
}

// known returns the decoder of a charset, nil for UTF-8 and what we do not
// know. As on the web, Latin-1 is read as its superset Windows-1252 and EUC-KR
// as CP949.
func known(charset string) encoding.Encoding {
	switch strings.ToLower(strings.Trim(charset, "\"' ")) {
	case "iso-8859-1", "latin1", "latin-1", "l1", "windows-1252", "cp1252":
		return charmap.Windows1252
	case "iso-8859-15", "latin-9":
		return charmap.ISO8859_15
	case "euc-kr", "euckr", "ks_c_5601-1987", "ksc5601", "ks_c_5601", "cp949", "ms949", "uhc", "windows-949":
		return korean.EUCKR
	}
	return nil
}

// decode reports whether every byte meant something.
func decode(e encoding.Encoding, raw []byte) (text string, lossless bool) {
	b, err := e.NewDecoder().Bytes(raw)
	return string(b), err == nil && !bytes.ContainsRune(b, utf8.RuneError)
}

// isHangul reports whether raw is UTF-8 with three-byte characters in it, which
// text in EUC-KR or Latin-1 never is by chance.
func isHangul(raw []byte) bool {
	return utf8.Valid(raw) && bytes.ContainsFunc(raw, func(r rune) bool { return utf8.RuneLen(r) >= 3 })
}

// fromUTF16 decodes UTF-16 by its byte order mark, or by the zero byte that the
// first < has beside it.
func fromUTF16(raw []byte, charset string) (text string, found bool) {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(raw, []byte("\xff\xfe")), bytes.HasPrefix(raw, []byte("<\x00")), strings.EqualFold(charset, "utf-16le"):
		order = binary.LittleEndian
	case bytes.HasPrefix(raw, []byte("\xfe\xff")), bytes.HasPrefix(raw, []byte("\x00<")), strings.EqualFold(charset, "utf-16be"):
		order = binary.BigEndian
	default:
		return "", false
	}
	units := make([]uint16, 0, len(raw)/2)
	for ; len(raw) >= 2; raw = raw[2:] {
		units = append(units, order.Uint16(raw))
	}
	return strings.TrimPrefix(string(utf16.Decode(units)), "\ufeff"), true
}
