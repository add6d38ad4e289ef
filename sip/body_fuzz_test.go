package sip

import (
	"bytes"
	"errors"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// FuzzContent: any body gives parts that lie within it or a status to answer.
func FuzzContent(f *testing.F) {
	f.Add(mixed, []byte(sdpPart+metaPart+"--b1--\n"))
	f.Add("multipart/mixed", []byte(multipartBody))
	f.Add("application/dtmf-relay", []byte("Signal=1\r\nDuration=160\r\n"))
	files, _ := filepath.Glob("../testdata/src/*.txtar")
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		if m, _, err := ParseMessage(archive.Files[0].Data, true); err == nil {
			f.Add(m.ContentType, m.Body)
		}
	}
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		before := bytes.Clone(body)
		c, err := readContent(contentType, "", "", body)
		if !bytes.Equal(body, before) {
			t.Error("the body was written to")
		}
		if b := (*bodyError)(nil); err != nil && (!errors.As(err, &b) || b.status < 400 || b.reason == "") {
			t.Errorf("%v", err)
		}
		if err == nil && len(body) > 0 && len(c.notes)+len(c.metadata)+len(c.presses) == 0 && c.media == nil &&
			len(bytes.TrimSpace(body)) > 0 && !bytes.HasPrefix(bytes.ToLower([]byte(contentType)), []byte("multipart")) {
			t.Error("nothing was read and nothing said")
		}
		if n := len(c.notes); n > 8*maxParts {
			t.Errorf("%d notes", n)
		}
	})
}

// FuzzDescription: what can be read can be answered, and the answer read.
func FuzzDescription(f *testing.F) {
	for _, row := range descriptions {
		f.Add([]byte(row.sdp))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		offer, err := readDescription(raw)
		if b := (*bodyError)(nil); err != nil {
			if !errors.As(err, &b) || b.status != 488 {
				t.Errorf("%v", err)
			}
			return
		}
		answer, used, err := encodeAnswer(offer, answerAll(offer), 1, 2)
		if err != nil || len(used.Lines) != len(offer.Lines) {
			t.Fatalf("%d lines for %d, %v", len(used.Lines), len(offer.Lines), err)
		}
		back, err := readDescription(answer)
		if err != nil || len(back.Lines) != len(offer.Lines) {
			t.Fatalf("%v\n%q", err, answer)
		}
		for i, l := range back.Lines {
			if l.Label != offer.Lines[i].Label || l.Addr.Port() != used.Lines[i].Port {
				t.Fatalf("line %d: %+v\n%q", i, l, answer)
			}
		}
	})
}
