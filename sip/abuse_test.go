package sip

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// soon runs f up to five times and fails when none of them took less than
// bound: the machine may be busy with something else.
func soon(t *testing.T, bound time.Duration, f func()) {
	t.Helper()
	var took []time.Duration
	for range 5 {
		begin := time.Now()
		f()
		if took = append(took, time.Since(begin)); took[len(took)-1] < bound {
			return
		}
	}
	t.Errorf("it takes %v, %v is allowed", took, bound)
}

// Whatever is done to a multipart body, it is read, or refused, in no time;
// what it holds of SDP and metadata is found all the same where that can be.
func TestMultipartAbuse(t *testing.T) {
	nested := sdpPart + metaPart + "--b1--\n"
	for i := range 50 {
		nested = fmt.Sprintf("--n%d\nContent-Type: multipart/mixed;boundary=%s\n\n%s--n%d--\n", i, map[bool]string{true: "b1", false: fmt.Sprintf("n%d", i-1)}[i == 0], nested, i)
	}
	long := strings.Repeat("b", 10_000)
	for name, row := range map[string]struct {
		contentType, body string
		status            int    // 0: it is read
		holds             string // of gathered
	}{
		"no boundary":              {"multipart/mixed", sdpPart + metaPart + "--b1--\n", 0, "sdp of 1\nrs-metadata+xml <recording/>"},
		"an empty boundary":        {"multipart/mixed;boundary=", sdpPart + metaPart + "--b1--\n", 0, "sdp of 1\nrs-metadata+xml <recording/>"},
		"a boundary of 10 kB":      {"multipart/mixed;boundary=" + long, strings.ReplaceAll(sdpPart+metaPart+"--b1--\n", "b1", long), 0, "sdp of 1\nrs-metadata+xml <recording/>"},
		"a boundary of 10 kB, not": {"multipart/mixed;boundary=" + long, strings.Repeat("--"+long[:9999]+"\n", 20), 0, ""},
		"the boundary in a part":   {mixed, strings.Replace(sdpPart, "a=label:1\n", "a=label:1\na=x:--b1--\n", 1) + metaPart + "--b1--", 0, "sdp of 1\nrs-metadata+xml <recording/>"},
		"never closed":             {mixed, sdpPart + metaPart, 0, "sdp of 1\nrs-metadata+xml <recording/>"},
		"10,000 empty parts":       {mixed, sdpPart + metaPart + strings.Repeat("--b1\n\n", 10_000) + "--b1--", 0, "sdp of 1\nrs-metadata+xml <recording/>"},
		"10,000 before":            {mixed, strings.Repeat("--b1\n\n", 10_000) + sdpPart + "--b1--", 0, "more than 32 parts"},
		"fifty deep":               {"multipart/mixed;boundary=n49", nested, 0, "multipart nested more than 4 deep"},
		"10,000 headers of a part": {mixed, "--b1\nContent-Type: application/sdp\n" + strings.Repeat("X-A: b\n", 10_000) + "\n" + oneLine + metaPart + "--b1--", 0, "sdp of 1\nrs-metadata+xml <recording/>"},
		"10,000 folds of a header": {mixed, "--b1\nContent-Type: application/sdp\n" + strings.Repeat(" b\n", 10_000) + "\n" + oneLine + "--b1--", 0, ""},
		"delimiters alone":         {mixed, strings.Repeat("--b1\n", 50_000), 0, ""},
		"dashes alone":             {mixed, strings.Repeat("--\n", 80_000), 400, ""},
		"one line of 250 kB":       {mixed, strings.Repeat("-", 250_000), 0, ""},
		"parameters without end":   {"multipart/mixed" + strings.Repeat(";a=b", 10_000) + ";boundary=b1", sdpPart + "--b1--", 0, "sdp of 1"},
		"two SDPs":                 {mixed, sdpPart + sdpPart + "--b1--", 400, ""},
		"no part is known":         {mixed, "--b1\nContent-Type: text/plain\n\nhello\n--b1--", 0, "not understood"},
	} {
		t.Run(name, func(t *testing.T) {
			var c content
			var err error
			soon(t, 50*time.Millisecond, func() { c, err = readContent(row.contentType, "", "", []byte(row.body)) })
			var b *bodyError
			if (row.status != 0) != (errors.As(err, &b) && b.status == row.status) {
				t.Fatalf("%v, want status %d", err, row.status)
			}
			if !strings.Contains(gathered(c), row.holds) {
				t.Errorf("it holds\n%.500s\nwant %q", gathered(c), row.holds)
			}
			if n := len(c.notes); n > 100 {
				t.Errorf("%d notes", n)
			}
		})
	}
}

// Session descriptions made to hurt are read or refused in no time, and never
// name a port or a format that is none.
func TestDescriptionAbuse(t *testing.T) {
	lines := func(n int, f func(int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(f(i) + "\n")
		}
		return strings.TrimSuffix(b.String(), "\n")
	}
	audio := "m=audio 40000 RTP/AVP 0"
	for name, row := range map[string]struct {
		sdp    string
		status int    // 0: it is read
		holds  string // of describeMedia
	}{
		"no line":                 {sdp(), 488, ""},
		"500 lines":               {sdp(lines(500, func(int) string { return audio })), 488, ""},
		"64 lines":                {sdp(lines(64, func(int) string { return audio })), 0, "m-line 32 has no a=label"},
		"64 kB":                   {sdp(audio, "a=x:"+strings.Repeat("y", 64<<10)), 488, ""},
		"16 kB and a byte":        {sdp(audio, "a=label:1", "a=x:"+strings.Repeat("y", 16<<10)), 0, "label=1"},
		"a clock of 2^32-1":       {sdp("m=audio 40000 RTP/AVP 96 0", "a=label:1", "a=rtpmap:96 x/4294967295"), 0, "payload 96 has no usable rtpmap"},
		"ptime -1":                {sdp(audio, "a=label:1", "a=ptime:-1"), 0, `ptime "-1" is not between`},
		"ptime 100000":            {sdp(audio, "a=label:1", "a=ptime:100000"), 0, `ptime "100000" is not between`},
		"5,000 fmtp":              {sdp(audio, "a=label:1", lines(5000, func(int) string { return "a=fmtp:0 a" })), 0, "label=1"},
		"5,000 rtpmap":            {sdp(audio, "a=label:1", lines(4000, func(i int) string { return "a=rtpmap:0 x/8" })), 0, "label=1"},
		"5,000 formats":           {sdp(audio + strings.Repeat(" 96", 5000) + strings.Repeat(" x", 5000)), 0, ""},
		"2,000 keys":              {sdp("m=audio 40000 RTP/SAVP 0", "a=label:1", lines(500, func(i int) string { return fmt.Sprintf("a=crypto:%d AES_CM_128_HMAC_SHA1_80 inline:%s", i, someKey) })), 0, "label=1"},
		"keys on a line in clear": {sdp(audio, "a=label:1", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"+someKey), 0, "crypto=1"},
		"keys that are none":      {sdp("m=audio 40000 RTP/SAVP 0", "a=label:1", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:***"), 0, "an a=crypto cannot be read"},
		"one tag for two keys":    {sdp("m=audio 40000 RTP/SAVP 0", "a=label:1", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"+someKey, "a=crypto:1 AES_CM_128_HMAC_SHA1_32 inline:"+someKey), 0, "two a=crypto have the tag 1"},
		"to everybody":            {sdp(audio, "c=IN IP4 224.2.1.1/127/3", "a=label:1"), 0, "224.2.1.1:40000"},
		"to itself":               {sdp(audio, "c=IN IP4 127.0.0.1", "a=label:1"), 0, "127.0.0.1:40000"},
		"to a link":               {sdp(audio, "c=IN IP6 fe80::1%eth0", "a=label:1"), 0, "[fe80::1]:40000"},
		"ports of other services": {sdp("m=audio 1 RTP/AVP 0", "a=label:1", "m=audio 22 RTP/AVP 0", "a=label:2"), 0, "192.0.2.10:22"},
	} {
		t.Run(name, func(t *testing.T) {
			var d *Description
			var err error
			soon(t, 50*time.Millisecond, func() { d, err = readDescription([]byte(row.sdp)) })
			var b *bodyError
			if (row.status != 0) != (errors.As(err, &b) && b.status == row.status) {
				t.Fatalf("%v, want status %d", err, row.status)
			}
			if err != nil {
				return
			}
			if got := describeMedia(d); !strings.Contains(got, row.holds) {
				t.Errorf("read as\n%.500s\nwant %q", got, row.holds)
			}
			if n := len(d.Notes); n > maxNotes {
				t.Errorf("%d notes", n)
			}
			if answer, _, err := encodeAnswer(d, answerAll(d), 1, 1); err != nil || len(answer) > 128<<10 {
				t.Errorf("answered with %d bytes, %v", len(answer), err)
			}
		})
	}
}
