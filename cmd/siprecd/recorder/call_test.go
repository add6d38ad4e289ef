package recorder

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"siprecd/media"
	"siprecd/policy"
	"siprecd/sip"
	"siprecd/sip/rsmeta"
	"siprecd/store"
)

var callStart = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

// stage is a Call with everything around it that a driver gives: a store in a
// fresh directory, ports without sockets, two lines of PCMU, and packets that
// wait while the call is held.
type stage struct {
	t    *testing.T
	dir  string
	rec  *Recorder
	call *Call
	held []func()
	seq  [8]uint16
}

func open(t *testing.T, rules ...policy.Rule) *stage {
	t.Helper()
	return openWith(t, policy.Full, rules...)
}

// openWith is open with another default.
func openWith(t *testing.T, byDefault policy.Mode, rules ...policy.Rule) *stage {
	t.Helper()
	return openOn(t, store.System{}, byDefault, rules...)
}

// openOn is openWith on another operating system.
func openOn(t *testing.T, system store.System, byDefault policy.Mode, rules ...policy.Rule) *stage {
	t.Helper()
	st := &stage{t: t, dir: t.TempDir()}
	s, err := store.Open(store.Options{Dir: st.dir, System: system})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	r, _, err := policy.New(policy.Site{CountryCode: "82", Start: "*1", Stop: "*2",
		Default: policy.Rule{Pattern: "default", Mode: byDefault, Origin: policy.Origin{File: "extensions.toml", Line: 1}}}, rules)
	if err != nil {
		t.Fatal(err)
	}
	settings := &Settings{Rules: r, CountryCode: "82"}
	st.rec = &Recorder{Store: s, Settings: func() *Settings { return settings }}
	if err := st.rec.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(st.rec.Close)
	return st
}

func rule(pattern string, m policy.Mode, line int) policy.Rule {
	return policy.Rule{Pattern: pattern, Mode: m, Origin: policy.Origin{File: "extensions.toml", Line: line}}
}

// invite begins the call with the given parties: party i sends line i.
func (st *stage) invite(aors ...string) sip.Answer {
	st.t.Helper()
	st.call = st.rec.Begin(sip.Info{CallID: "rs-1", Source: "sbc", Arrived: callStart}, st.ports)
	o := st.offer("INVITE", 0, aors...)
	o.Media = &sip.Description{Lines: []sip.Line{offered(0), offered(1)}}
	reply := st.call.Offer(o)
	if reply.Reject != 0 {
		st.t.Fatalf("rejected: %d %s", reply.Reject, reply.Reason)
	}
	st.release()
	return reply.Answer
}

// ports are without sockets; closing drains what waits.
func (st *stage) ports(*media.Path) Ports {
	return Ports{
		Addr: netip.MustParseAddr("192.0.2.1"), Add: func(i int) (uint16, error) { return uint16(40000 + 2*i), nil },
		Remove: func(int) {}, Hold: func(bool) {}, Close: st.release,
	}
}

func offered(i int) sip.Line {
	return sip.Line{
		Index: i, Kind: "audio", Proto: "RTP/AVP", Label: fmt.Sprint(i + 1), Direction: sip.SendOnly,
		Addr: netip.MustParseAddrPort(fmt.Sprintf("192.0.2.7:%d", 20000+2*i)),
		Codecs: []sip.Codec{{Payload: 0, Name: "PCMU", Clock: 8000, Channels: 1},
			{Payload: 101, Name: "TELEPHONE-EVENT", Clock: 8000, Channels: 1}},
	}
}

func (st *stage) offer(method string, at time.Duration, aors ...string) *sip.Offer {
	o := &sip.Offer{Method: method, At: callStart.Add(at)}
	if len(aors) == 0 {
		return o
	}
	doc := &rsmeta.Document{Complete: true, Sessions: []rsmeta.Session{{ID: "cs-1"}}}
	for i, aor := range aors {
		id, stream := fmt.Sprintf("p-%s", aor), fmt.Sprintf("s-%d", i)
		doc.Participants = append(doc.Participants, rsmeta.Participant{ID: id, Names: []rsmeta.Name{{AOR: aor}}})
		doc.Streams = append(doc.Streams, rsmeta.Stream{ID: stream, Session: "cs-1", Label: fmt.Sprint(i + 1)})
		doc.Members = append(doc.Members, rsmeta.Member{Participant: id, Session: "cs-1"})
		doc.Wires = append(doc.Wires, rsmeta.Wire{Participant: id, Send: []string{stream}})
	}
	o.Metadata = []sip.Metadata{{Type: "application/rs-metadata+xml", Body: rsmeta.Encode(doc)}}
	return o
}

// talk sends audio on both lines from to until; line i carries byte fill+i.
func (st *stage) talk(from, until time.Duration, fill byte) {
	for at := from; at < until; at += 20 * time.Millisecond {
		for i := range 2 {
			st.feed(i, at+20*time.Millisecond, st.rtp(i, 0, at, bytes.Repeat([]byte{fill + byte(i)}, 160)))
		}
	}
}

// key sends one RFC 4733 digit of 100 ms on line i.
func (st *stage) key(i int, at time.Duration, digit byte) {
	event := byte(strings.IndexByte("0123456789*#ABCD", digit))
	for n := range 7 {
		d := binary.BigEndian.AppendUint16([]byte{event, 10}, uint16(160*min(n+1, 5)))
		if n >= 4 {
			d[1] |= 0x80
		}
		st.feed(i, at+time.Duration(n)*20*time.Millisecond, st.rtp(i, 101, at, d))
	}
}

func (st *stage) rtp(i int, pt byte, at time.Duration, payload []byte) []byte {
	st.seq[i]++
	b := []byte{0x80, pt}
	b = binary.BigEndian.AppendUint16(b, st.seq[i])
	b = binary.BigEndian.AppendUint32(b, uint32(at*8/time.Millisecond))
	b = binary.BigEndian.AppendUint32(b, 0x51000000+uint32(i))
	return append(b, payload...)
}

func (st *stage) feed(i int, at time.Duration, packet []byte) {
	put := func() {
		st.call.Path().Packet(i, false, callStart.Add(at).UnixNano(), netip.MustParseAddrPort(fmt.Sprintf("192.0.2.7:%d", 20000+2*i)), packet)
	}
	if d := st.call.Deadline(); !d.IsZero() && !callStart.Add(at).Before(d) {
		st.call.Tick(callStart.Add(at))
		st.release()
	}
	if st.call.Held() {
		st.held = append(st.held, put)
		return
	}
	put()
}

func (st *stage) release() {
	if st.call.Held() {
		return
	}
	for _, put := range st.held {
		put()
	}
	st.held = nil
}

func (st *stage) update(at time.Duration, aors ...string) Reply {
	reply := st.call.Offer(st.offer("UPDATE", at, aors...))
	st.release()
	return reply
}

// bye ends the call and seals it.
func (st *stage) bye(at time.Duration) *store.Row {
	st.t.Helper()
	var last *store.Row
	for _, row := range st.call.End(callStart.Add(at), "src", "bye") {
		if err := st.rec.Seal(context.Background(), &row); err != nil {
			st.t.Fatal(err)
		}
		got, err := st.rec.Store.Catalog.Get(context.Background(), row.ID)
		if err != nil {
			st.t.Fatal(err)
		}
		last = got
	}
	return last
}

// onDisk reports whether 160 bytes of fill lie anywhere in the data directory.
func (st *stage) onDisk(fill byte) bool {
	found := false
	err := filepath.WalkDir(st.dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		if bytes.Contains(b, bytes.Repeat([]byte{fill}, 80)) {
			found = true
		}
		return err
	})
	if err != nil {
		st.t.Fatal(err)
	}
	return found
}

// file returns the payload of the sealed WAV as two channels.
func (st *stage) channels(row *store.Row) (left, right []byte) {
	st.t.Helper()
	body, err := st.rec.Store.OpenAudio(context.Background(), row)
	if err != nil {
		st.t.Fatal(err)
	}
	defer body.Close()
	wav, err := media.ReadWAV(body)
	if err != nil {
		st.t.Fatal(err)
	}
	data := make([]byte, wav.DataBytes)
	if _, err := wav.Data.ReadAt(data, 0); err != nil {
		st.t.Fatal(err)
	}
	for i := 0; i+1 < len(data); i += 2 {
		left, right = append(left, data[i]), append(right, data[i+1])
	}
	return left, right
}

func count(b []byte, v byte) (n int) {
	for _, x := range b {
		if x == v {
			n++
		}
	}
	return n
}

// madeUp is less than this many samples: where sound ends and begins again, it
// does so in 5 ms.
const madeUp = 8000 * 5 / 1000

// wasKept reports whether n samples were kept of what was sent as v.
func wasKept(b []byte, v byte, n int) bool {
	got := count(b, v)
	return got == n || n > 0 && got > n && got < n+madeUp
}

const ourAOR, otherAOR, blankAOR = "sip:2001@example.org", "sip:0105550101@example.org", "sip:ASBCE@example.org"

func TestFullKeepsEveryByteOursLeft(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3))
	a := st.invite(otherAOR, ourAOR) // ours sends line 1
	if a.Lines[0].Direction != sip.RecvOnly || a.Lines[1].Port != 40002 {
		t.Fatalf("answer %+v", a)
	}
	st.talk(0, 3*time.Second, 0x11)
	row := st.bye(3 * time.Second)
	left, right := st.channels(row)
	if len(left) != 24000 || count(left, 0x12) != 24000 || count(right, 0x11) != 24000 {
		t.Errorf("left %d of %d are ours, right %d of %d", count(left, 0x12), len(left), count(right, 0x11), len(right))
	}
	if row.State != store.Sealed || row.Extension != "2001" || row.Other != "0105550101" || row.Policy != "full" || row.DecidedBy != "extensions.toml:3" {
		t.Errorf("row %+v", row)
	}
	if len(row.Segments) != 1 || row.Segments[0] != (store.Segment{Start: 0, End: 3}) {
		t.Errorf("segments %v", row.Segments)
	}
	if left, err := st.rec.Store.Leftovers(); err != nil || len(left) != 0 {
		t.Errorf("left-over tapes %v %v", left, err)
	}
}

func TestSelectiveHoldsNothingFromBeforeTheKey(t *testing.T) {
	st := open(t, rule("2001", policy.Selective, 4))
	st.invite(ourAOR, otherAOR)
	st.talk(0, 2*time.Second, 0x21)
	st.key(1, 1200*time.Millisecond, '*') // the other side's keys are foreign
	st.key(1, 1400*time.Millisecond, '1')
	st.key(0, 2*time.Second, '*')
	st.key(0, 2200*time.Millisecond, '1')
	st.talk(2400*time.Millisecond, 4*time.Second, 0x31)
	st.key(0, 4*time.Second, '*')
	st.key(0, 4200*time.Millisecond, '2')
	st.talk(4400*time.Millisecond, 5*time.Second, 0x41)
	row := st.bye(5 * time.Second)
	left, right := st.channels(row)
	for _, fill := range []byte{0x21, 0x22, 0x41, 0x42} {
		if count(left, fill)+count(right, fill) > 0 || st.onDisk(fill) {
			t.Errorf("audio %#x from outside the segment was kept", fill)
		}
	}
	if count(left, 0x31) != 8*1600 || count(right, 0x32) != 8*1600 {
		t.Errorf("segment: left %d right %d samples, want %d", count(left, 0x31), count(right, 0x32), 8*1600)
	}
	if len(row.Segments) != 1 || row.Segments[0].Start != 2.2 || row.Segments[0].End != 4.2 {
		t.Errorf("segments %v", row.Segments)
	}
	if len(left) != 5*8000 {
		t.Errorf("the file's clock is not the call's: %d samples", len(left))
	}
}

func TestSelectiveUnmarkedLeavesARowOnly(t *testing.T) {
	st := open(t, rule("2001", policy.Selective, 4))
	st.invite(ourAOR, otherAOR)
	st.talk(0, time.Second, 0x51)
	row := st.bye(time.Second)
	if row.State != store.NotRecorded || row.File != "" || st.onDisk(0x51) {
		t.Errorf("row %+v", row)
	}
}

func TestOffAnswersInactiveAndKeepsNothing(t *testing.T) {
	st := open(t, rule("2001", policy.Off, 5))
	a := st.invite(ourAOR, otherAOR)
	for _, l := range a.Lines {
		if l.Direction != sip.Inactive || l.Port == 0 {
			t.Errorf("line %+v", l)
		}
	}
	st.talk(0, time.Second, 0x61)
	row := st.bye(time.Second)
	if row.State != store.NotRecorded || row.Policy != "off" || row.DecidedBy != "extensions.toml:5" || st.onDisk(0x61) {
		t.Errorf("row %+v", row)
	}
	if tapes, _ := filepath.Glob(filepath.Join(st.dir, "tapes", "*")); len(tapes) > 0 {
		t.Errorf("tapes %v", tapes)
	}
}

// The key's last packets and audio from before the key come mixed: what the gate
// kept back is not lost.
func TestWhatTheGateHeldBackIsNotLost(t *testing.T) {
	st := open(t, rule("2001", policy.Selective, 4))
	st.invite(ourAOR, otherAOR)
	st.key(0, 0, '*')
	event := func(n int, end byte) []byte {
		return st.rtp(0, 101, time.Second, []byte{1, 10 | end, 0, byte(160 * n / 2)})
	}
	st.feed(0, 1000*time.Millisecond, event(1, 0)) // the gate opens here
	st.feed(0, 1005*time.Millisecond, event(1, 0x80))
	st.feed(0, 1010*time.Millisecond, st.rtp(0, 0, 990*time.Millisecond, bytes.Repeat([]byte{0x21}, 160)))
	st.feed(0, 1015*time.Millisecond, event(1, 0x80))
	st.talk(1010*time.Millisecond, 2*time.Second, 0x31)
	row := st.bye(2 * time.Second)
	if row.Streams[0].Lost != 0 || len(row.Streams[0].Gaps) != 0 {
		t.Errorf("%d lost, gaps %v", row.Streams[0].Lost, row.Streams[0].Gaps)
	}
	left, _ := st.channels(row)
	if count(left, 0x21) > 0 {
		t.Error("audio from before the key was kept")
	}
}
