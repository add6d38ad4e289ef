package sip

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

const oneLine = "v=0\no=- 1 1 IN IP4 192.0.2.10\nc=IN IP4 192.0.2.10\nm=audio 40000 RTP/AVP 0\na=label:1\n"

const (
	mixed    = "multipart/mixed;boundary=b1"
	sdpPart  = "--b1\nContent-Type: application/sdp\n\n" + oneLine
	metaHead = "--b1\nContent-Type: application/rs-metadata+xml\nContent-Disposition: recording-session\n\n"
	metaPart = metaHead + "<recording/>\n"
)

// gathered writes what a body held: "sdp", each document, each key, each note.
func gathered(c content) string {
	var all []string
	if c.media != nil {
		all = append(all, fmt.Sprintf("sdp of %d", len(c.media.Lines)))
	}
	for _, m := range c.metadata {
		all = append(all, strings.TrimPrefix(m.Type, "application/")+" "+strings.ReplaceAll(string(m.Body), "\n", "|"))
	}
	for _, p := range c.presses {
		all = append(all, fmt.Sprintf("%c %v", p.Digit, p.Duration))
	}
	for _, n := range c.notes {
		all = append(all, "note: "+n)
	}
	return strings.Join(all, "\n")
}

type bodyRow struct{ contentType, body, want string }

func checkBodies(t *testing.T, rows map[string]bodyRow) {
	for name, row := range rows {
		for end, newline := range map[string]string{"LF": "\n", "CRLF": "\r\n"} {
			t.Run(name+" "+end, func(t *testing.T) {
				c, err := readContent(row.contentType, "", "", []byte(strings.ReplaceAll(row.body, "\n", newline)))
				if err != nil {
					t.Fatal(err)
				}
				if got := strings.ReplaceAll(gathered(c), "\r", ""); got != row.want {
					t.Errorf("got:\n%s\nwant:\n%s", got, row.want)
				}
			})
		}
	}
}

func TestC05_MultipartOfAnyShape(t *testing.T) {
	both := "sdp of 1\nrs-metadata+xml <recording/>"
	checkBodies(t, map[string]bodyRow{
		"as in the RFC":             {mixed, sdpPart + metaPart + "--b1--\n", both},
		"metadata first":            {mixed, metaPart + sdpPart + "--b1--\n", both},
		"quoted boundary":           {`Multipart/Mixed; boundary="----=_Part_1 2"`, strings.ReplaceAll(sdpPart+metaPart+"--b1--\n", "--b1", "------=_Part_1 2"), both},
		"boundary after a blank":    {"multipart/mixed ; boundary= b1", sdpPart + metaPart + "--b1--\n", both},
		"quote not closed":          {`multipart/mixed;boundary="b1`, sdpPart + metaPart + "--b1--\n", both},
		"preamble and epilogue":     {mixed, "\nthis is not read\n" + sdpPart + metaPart + "--b1--\nnor this\n" + metaPart, both},
		"delimiters end in blanks":  {mixed, strings.ReplaceAll(sdpPart+metaPart+"--b1--\n", "b1\n", "b1 \t\n"), both},
		"last delimiter is no end":  {mixed, sdpPart + metaPart + "--b1\n", both},
		"a boundary begins another": {mixed, strings.ReplaceAll(sdpPart, "a=label:1\n", "a=label:1\n--b12\n--b1x--\n") + metaPart + "--b1--", both},
		"Content-Length of a part":  {mixed, strings.Replace(sdpPart, "--b1\n", "--b1\nContent-Length: 3\n", 1) + metaPart + "--b1--", both},
		"no blank after the colon":  {mixed, strings.ReplaceAll(sdpPart+metaPart+"--b1--", ": ", ":"), both},
		"folded header":             {mixed, strings.Replace(sdpPart, ": ", ":\n  ", 1) + metaPart + "--b1--", both},
		"handling=required":         {mixed, sdpPart + strings.Replace(metaPart, "session", "session;handling=required", 1) + "--b1--", both},
		"no closing delimiter":      {mixed, sdpPart + metaPart, "sdp of 1\nrs-metadata+xml <recording/>|\nnote: the multipart body is not closed"},
		"no boundary":               {"multipart/mixed", "\n" + sdpPart + metaPart + "--b1--", both + "\nnote: multipart without a boundary: its first delimiter line was taken"},
		"another boundary":          {"multipart/mixed;boundary=b2", sdpPart + metaPart + "--b1--", both + "\nnote: the multipart boundary occurs nowhere: the first delimiter line was taken"},
		"headers run into the body": {mixed, strings.Replace(sdpPart, "\n\n", "\n", 1) + metaPart + "--b1--", both + "\nnote: a part's headers do not end in an empty line"},
		"parts without headers":     {mixed, "--b1\n\n" + oneLine + "--b1\n\n<recording/>\n--b1--", both + "\nnote: no Content-Type: read as application/sdp\nnote: no Content-Type: read as application/rs-metadata+xml"},
		"unknown parts":             {mixed, sdpPart + "--b1\nContent-Type: application/ISUP;handling=required\n\nxx\n" + metaPart + "--b1--", both + "\nnote: a part of type \"application/isup\" is not understood: ignored"},
		"only metadata":             {mixed, metaPart + "--b1--", "rs-metadata+xml <recording/>"},
	})
}

func TestC01_NestedAndAlternative(t *testing.T) {
	wrap := func(kind, boundary, inner string) string {
		return "--" + boundary + "\nContent-Type: multipart/" + kind + ";boundary=b1\n\n" + inner + "--b1--\n"
	}
	deep := sdpPart + metaPart
	for i := range 5 {
		deep = strings.ReplaceAll("--b1\nContent-Type: multipart/mixed;boundary=IN\n\n"+strings.ReplaceAll(deep, "--b1", "--IN")+"--IN--\n", "IN", fmt.Sprintf("n%d", i))
	}
	newer := strings.Replace(sdpPart, "m=audio 40000", "m=audio 40004 RTP/AVP 0\nm=audio 40006", 1)
	checkBodies(t, map[string]bodyRow{
		"within mixed":       {"multipart/mixed;boundary=out", wrap("mixed", "out", sdpPart+metaPart) + "--out--", "sdp of 1\nrs-metadata+xml <recording/>"},
		"related":            {"multipart/related;boundary=b1", sdpPart + metaPart + "--b1--", "sdp of 1\nrs-metadata+xml <recording/>"},
		"alternative SDPs":   {"multipart/mixed;boundary=out", wrap("alternative", "out", sdpPart+newer) + "--out--", "sdp of 2"},
		"alternative as and": {"multipart/alternative;boundary=b1", sdpPart + metaPart + "--b1--", "sdp of 1\nrs-metadata+xml <recording/>"},
		"too deep":           {mixed, deep + "--b1--", "note: multipart nested more than 4 deep: not read"},
	})
}

func TestC04_MetadataTypes(t *testing.T) {
	checkBodies(t, map[string]bodyRow{
		"without +xml":          {mixed, "--b1\nContent-Type: application/rs-metadata\n\n<recording/>\n--b1--", "rs-metadata <recording/>"},
		"in any case":           {mixed, strings.ReplaceAll(metaPart, "application/rs-metadata+xml", "APPLICATION/RS-Metadata+XML;charset=utf-8") + "--b1--", "rs-metadata+xml <recording/>"},
		"snapshot request":      {"application/rs-metadata-request", "<requestsnapshot/>", "rs-metadata-request <requestsnapshot/>"},
		"C07 whole body":        {"application/rs-metadata", "<recording/>", "rs-metadata <recording/>"},
		"C07 whole body +xml":   {"Application/RS-metadata+xml ; charset=UTF-8", "<recording/>", "rs-metadata+xml <recording/>"},
		"known by disposition":  {mixed, strings.ReplaceAll(metaPart, "rs-metadata+xml", "xml") + "--b1--", "xml <recording/>\nnote: the metadata calls itself application/xml"},
		"not well-formed":       {mixed, metaHead + "<recording><a sip:x\n\n\n--b1--", "rs-metadata+xml <recording><a sip:x||"},
		"several documents":     {mixed, metaPart + metaPart + "--b1--", "rs-metadata+xml <recording/>\nrs-metadata+xml <recording/>"},
		"no type, no multipart": {"", oneLine, "sdp of 1\nnote: no Content-Type: read as application/sdp"},
	})
}

func TestPartsEncoded(t *testing.T) {
	packed := base64.StdEncoding.EncodeToString([]byte("<recording>ü</recording>"))
	coded := func(how, body string) string {
		return strings.Replace(metaHead, "\n\n", "\nContent-Transfer-Encoding: "+how+"\n\n", 1) + body + "\n--b1--"
	}
	checkBodies(t, map[string]bodyRow{
		"base64":           {mixed, coded("Base64", packed[:8]+"\n "+packed[8:]), "rs-metadata+xml <recording>ü</recording>"},
		"unpadded":         {mixed, coded("base64", strings.TrimRight(packed, "=")), "rs-metadata+xml <recording>ü</recording>"},
		"quoted-printable": {mixed, coded("quoted-printable", "<recording>=C3=BC</reco=\nrding>"), "rs-metadata+xml <recording>ü</recording>"},
		"binary":           {mixed, coded("binary", "<recording/>"), "rs-metadata+xml <recording/>"},
		"not base64":       {mixed, coded("base64", "<recording/>"), "rs-metadata+xml <recording/>\nnote: a part of type \"application/rs-metadata+xml\" says it is base64 but is not: kept as it came"},
		"gzip":             {mixed, strings.Replace(metaHead, "\n\n", "\nContent-Encoding: gzip\n\n", 1) + "x\n--b1--", `note: a part of type "application/rs-metadata+xml" is encoded as "gzip": ignored`},
		"SDP in base64":    {mixed, "--b1\nContent-Type: application/sdp\nContent-Transfer-Encoding: base64\n\n" + base64.StdEncoding.EncodeToString([]byte(oneLine)) + "\n--b1--", "sdp of 1"},
	})
}

func TestKeysInInfo(t *testing.T) {
	checkBodies(t, map[string]bodyRow{
		"relay":              {"application/dtmf-relay", "Signal=1\nDuration=160\n", "1 160ms"},
		"relay with blanks":  {"Application/DTMF-Relay", "signal = *\n duration = 0", "* 0s"},
		"relay with a colon": {"application/dtmf-relay", "Signal: d\n", "D 0s"},
		"event code":         {"application/dtmf-relay", "Signal=11\nDuration=250", "# 250ms"},
		"duration too long":  {"application/dtmf-relay", "Signal=2\nDuration=99999999999", "2 0s\nnote: the key's duration cannot be read"},
		"no key":             {"application/dtmf-relay", "Signal=!\nDuration=160", "note: the INFO names no key"},
		"one key":            {"application/dtmf", "5", "5 0s"},
		"several keys":       {"application/dtmf", " *1\n", "* 0s\n1 0s"},
		"nothing":            {"application/dtmf", "\n", "note: the INFO names no key"},
	})
	c, err := readContent("application/dtmf", "", "", []byte(strings.Repeat("7", 40)))
	if err != nil || len(c.presses) != maxPresses || len(c.notes) != 1 || strings.Contains(c.notes[0], "7") {
		t.Errorf("%d keys, notes %q, %v", len(c.presses), c.notes, err)
	}
}

func TestBodiesThatCannotBeAnswered(t *testing.T) {
	for name, row := range map[string]struct {
		contentType, encoding, body string
		status                      int
	}{
		"two SDPs":           {mixed, "", sdpPart + sdpPart + "--b1--", 400},
		"multipart of text":  {mixed, "", "hello", 400},
		"dashes alone":       {mixed, "", "--\n--\n", 400},
		"SDP no base64":      {mixed, "", "--b1\nContent-Type: application/sdp\nContent-Transfer-Encoding: base64\n\n!\n--b1--", 400},
		"gzip":               {"application/sdp", "gzip", "x", 415},
		"gzip of the SDP":    {mixed, "", "--b1\nContent-Type: application/sdp\nContent-Encoding: gzip\n\nx\n--b1--", 415},
		"unknown":            {"application/octet-stream", "", "x", 415},
		"no type":            {"", "", "x", 415},
		"SDP without medium": {mixed, "", "--b1\nContent-Type: application/sdp\n\nv=0\n--b1--", 488},
	} {
		_, err := readContent(row.contentType, "", row.encoding, []byte(row.body))
		var b *bodyError
		if !errors.As(err, &b) || b.status != row.status || b.reason == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, contentType := range []string{"", "application/octet-stream", "multipart/mixed"} {
		if c, err := readContent(contentType, "", "", nil); err != nil || gathered(c) != "" {
			t.Errorf("empty body of type %q: %+v, %v", contentType, c, err)
		}
	}
	if _, err := readContent("application/sdp", "", " Identity", []byte(oneLine)); err != nil {
		t.Errorf("identity: %v", err)
	}
}

func TestManyPartsCostLittle(t *testing.T) {
	begin := time.Now()
	body := sdpPart + strings.Repeat("--b1\n\nx\n", 30000) + metaPart
	c, err := readContent(mixed, "", "", []byte(body))
	if err != nil || c.media == nil || len(c.metadata) != 0 || !strings.Contains(gathered(c), "more than 32 parts") {
		t.Errorf("%d notes, %v", len(c.notes), err)
	}
	if _, err = readContent("multipart/mixed;boundary="+strings.Repeat("b", 10000), "", "", []byte(body)); err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}
