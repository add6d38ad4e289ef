package place

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"siprecd/media"
	"siprecd/sip"
)

// recorder is a small recording server: what the offers said and what arrived.
type recorder struct {
	t      *testing.T
	server *sip.Server
	answer func(*sip.Offer, sip.Answer) sip.Answer // changes an answer; may be nil
	during func(context.Context, *sip.Session)     // beside every session; may be nil

	mu      sync.Mutex // guards what follows
	offers  []*sip.Offer
	payload map[string][]byte // audio payload by a=label, of all sessions
	packets int
	over    chan struct{} // one for each session that has ended
}

func newRecorder(t *testing.T, transport string, r *recorder) string {
	t.Helper()
	r.t, r.payload, r.over = t, map[string][]byte{}, make(chan struct{}, 100)
	r.server = &sip.Server{Handler: r.serve, Listen: []sip.Listener{{Network: transport, Address: "127.0.0.1:0"}}}
	if err := r.server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := r.server.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return "sip:" + r.server.Addr(0).String()
}

func (r *recorder) serve(ctx context.Context, s *sip.Session) error {
	var conns []*net.UDPConn
	var readers sync.WaitGroup
	defer func() {
		for _, c := range conns { // what has arrived is still read
			c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		}
		readers.Wait()
		closeAll(conns)
		r.over <- struct{}{}
	}()
	if r.during != nil {
		readers.Go(func() { r.during(ctx, s) })
	}
	for o := range s.Offers() {
		r.mu.Lock()
		r.offers = append(r.offers, o)
		r.mu.Unlock()
		a := sip.Answer{Addr: s.Info().Local}
		if o.Media != nil {
			for i, l := range o.Media.Lines {
				if i == len(conns) {
					conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
					if err != nil {
						return err
					}
					conns = append(conns, conn)
					readers.Go(func() { r.read(conn, l.Label) })
				}
				direction := sip.RecvOnly
				if l.Direction == sip.Inactive {
					direction = sip.Inactive
				}
				a.Lines = append(a.Lines, sip.AnswerLine{Port: port(conns[i]), Direction: direction, Codecs: l.Codecs})
			}
		}
		if r.answer != nil {
			a = r.answer(o, a)
		}
		if err := o.Answer(a); err != nil {
			r.t.Errorf("answer to %s: %v", o.Method, err)
		}
	}
	return nil
}

func (r *recorder) read(conn *net.UDPConn, label string) {
	buf := make([]byte, 1500)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		r.mu.Lock()
		r.packets++
		if buf[1]&0x7f == 0 {
			r.payload[label] = append(r.payload[label], buf[12:n]...)
		}
		r.mu.Unlock()
	}
}

// ended waits until n sessions are over, and until the test ends nothing changes
// in r any more.
func (r *recorder) ended(n int) {
	r.t.Helper()
	for range n {
		select {
		case <-r.over:
		case <-time.After(10 * time.Second):
			r.t.Fatal("a session did not end at the server")
		}
	}
	r.mu.Lock()
	r.t.Cleanup(r.mu.Unlock)
}

func clip(seed int) *media.Clip {
	c := &media.Clip{Samples: make([]int16, 4000)} // half a second
	for i := range c.Samples {
		c.Samples[i] = int16((i*seed*31 + seed) % 16000)
	}
	return c
}

func TestCallSendsBothSides(t *testing.T) {
	for _, transport := range []string{"udp", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			r := &recorder{}
			target := newRecorder(t, transport, r)
			src, err := Open(Options{Transport: transport})
			if err != nil {
				t.Fatal(err)
			}
			defer src.Close()
			result, err := Call{
				SRC: src, Target: target, From: "2001", To: "tel:0105550101", Keep: true,
				A: Side{Clip: clip(3), Keys: []media.KeyTone{{At: 100 * time.Millisecond, Digit: '*'}}},
				B: Side{Clip: clip(5), Delay: 200 * time.Millisecond}, Infos: []media.KeyTone{{At: 300 * time.Millisecond, Digit: '1'}},
			}.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			r.ended(1)
			if result.EndedBy != "src" || result.Took <= 0 || len(result.Lines) != 2 {
				t.Fatalf("%+v", result)
			}
			a, b := result.Lines[0], result.Lines[1]
			// 0.7 s in all: 35 packet times; of A five are one key of 7 packets.
			if a.Packets != 37 || a.Events != 7 || b.Packets != 25 || a.Unsent+b.Unsent != 0 {
				t.Errorf("packets: %+v %+v", a.Sent, b.Sent)
			}
			for _, l := range result.Lines {
				if sum := fmt.Sprintf("%x", sha256.Sum256(r.payload[l.Label])); sum != l.SHA256 {
					t.Errorf("line %s: %d bytes arrived, not the %d that were sent", l.Label, len(r.payload[l.Label]), l.Bytes)
				}
			}
			if len(a.Audio) != 5600 || len(b.Audio) != 4000 || !bytes.Equal(r.payload["2"], b.Audio) {
				t.Errorf("%d and %d samples", len(a.Audio), len(b.Audio))
			}
			first, info := r.offers[0], r.offers[1]
			if first.Method != "INVITE" || len(first.Metadata) != 1 || !bytes.Contains(first.Metadata[0].Body, []byte("tel:0105550101")) || !bytes.Contains(first.Metadata[0].Body, []byte("sip:2001@127.0.0.1")) {
				t.Errorf("INVITE: %+v", first)
			}
			if info.Method != "INFO" || len(info.Presses) != 1 || info.Presses[0].Digit != '1' {
				t.Errorf("INFO: %+v", info)
			}
		})
	}
}

func TestCallPauses(t *testing.T) {
	r := &recorder{}
	target := newRecorder(t, "udp", r)
	result, err := Call{Target: target, A: Side{Clip: clip(3)}, B: Side{Clip: clip(5)}, Duration: 600 * time.Millisecond,
		Pauses: []Pause{{At: 100 * time.Millisecond, For: 300 * time.Millisecond}}}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.ended(1)
	var seen []string
	for _, o := range r.offers {
		if o.Media != nil {
			seen = append(seen, o.Method+" "+string(o.Media.Lines[0].Direction))
		}
	}
	if got := strings.Join(seen, ", "); got != "INVITE sendonly, INVITE inactive, INVITE sendonly" {
		t.Error(got)
	}
	// 30 packet times less the 15 of the pause, give or take what two
	// transactions take.
	if n := result.Lines[0].Packets; n < 10 || n > 20 {
		t.Errorf("%d packets", n)
	}
}

func TestCallNamesPartiesLate(t *testing.T) {
	r := &recorder{}
	target := newRecorder(t, "udp", r)
	_, err := Call{Target: target, From: "2001", Duration: 200 * time.Millisecond, Farewell: true, LateParties: 50 * time.Millisecond,
		Steps: []Step{{100 * time.Millisecond, func(ctx context.Context, rs *sip.Outgoing, p *Parties) error {
			return rs.Update(ctx, sip.Change{Metadata: p.Transfer(1, "2003", "Carol")})
		}}}}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.ended(1)
	names := func(i int, name string) bool { return bytes.Contains(r.offers[i].Metadata[0].Body, []byte(name)) }
	if len(r.offers) < 3 || names(0, "2001") || !names(0, "placeholder") || !names(1, "2001") || r.offers[1].Media != nil || !names(2, "2003") || r.offers[1].Method != "UPDATE" {
		t.Errorf("offers: %+v", r.offers)
	}
	if last := r.offers[len(r.offers)-1]; last.Method != "BYE" || len(last.Metadata) != 1 {
		t.Errorf("the end: %+v", last)
	}
}

func TestCallThatIsOff(t *testing.T) {
	r := &recorder{answer: func(_ *sip.Offer, a sip.Answer) sip.Answer {
		for i := range a.Lines {
			a.Lines[i].Direction = sip.Inactive
		}
		return a
	}}
	target := newRecorder(t, "udp", r)
	result, err := Call{Target: target, Duration: 100 * time.Millisecond}.Run(t.Context())
	r.ended(1)
	if err != nil || result.Packets() != 0 || r.packets != 0 {
		t.Errorf("%+v, %v", result, err)
	}
}

func TestCallFollowsTheServer(t *testing.T) {
	stopped := make(chan struct{})
	r := &recorder{during: func(ctx context.Context, s *sip.Session) {
		defer close(stopped)
		select {
		case <-time.After(100 * time.Millisecond): // of media
		case <-ctx.Done():
		}
		if err := s.Redirect(ctx, sip.Answer{Addr: s.Info().Local, Lines: []sip.AnswerLine{{Port: 9, Direction: sip.Inactive, Codecs: pcmu}, {Port: 9, Direction: sip.Inactive, Codecs: pcmu}}}); err != nil {
			t.Errorf("redirect: %v", err)
		}
		if err := s.RequestSnapshot(ctx, "test"); err != nil {
			t.Errorf("snapshot: %v", err)
		}
	}}
	target := newRecorder(t, "udp", r)
	result, err := Call{Target: target, From: "2001", Duration: 500 * time.Millisecond}.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	<-stopped
	r.ended(1)
	if n := result.Lines[0].Packets; n < 3 || n > 15 {
		t.Errorf("%d packets although the server wanted none after 100 ms", n)
	}
	if !slices.ContainsFunc(r.offers, func(o *sip.Offer) bool {
		return o.Method == "UPDATE" && len(o.Metadata) == 1 && bytes.Contains(o.Metadata[0].Body, []byte("2001"))
	}) {
		t.Error("the snapshot did not come")
	}
}

var pcmu = []sip.Codec{{Payload: 0, Name: "PCMU", Clock: 8000, Channels: 1}}

func TestCallEndsWithItsContext(t *testing.T) {
	r := &recorder{}
	target := newRecorder(t, "udp", r)
	ctx, cancel := context.WithCancel(t.Context())
	result, err := Call{Target: target, Duration: time.Hour, Answered: func(*sip.Outgoing) { cancel() }}.Run(ctx)
	if !errors.Is(err, context.Canceled) || result.EndedBy != "src" {
		t.Errorf("%+v, %v", result, err)
	}
}

func TestCallNobodyAnswers(t *testing.T) {
	if _, err := (Call{Target: "sip:nowhere.invalid"}).Run(t.Context()); err == nil {
		t.Error("no error")
	}
	if _, err := (Call{Target: "nonsense"}).Run(t.Context()); err == nil {
		t.Error("no error")
	}
}

func TestBatch(t *testing.T) {
	r := &recorder{}
	target := newRecorder(t, "udp", r)
	src, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	ended := 0
	totals := Batch{Call: Call{SRC: src, Target: target, Duration: 200 * time.Millisecond}, Count: 20, Rate: 200, Limit: 10,
		Ended: func(int, Result, error) { ended++ }}.Run(t.Context())
	if totals.OK != 20 || totals.Failed != 0 || ended != 20 || totals.Packets != 20*20 || totals.P99 < totals.P50 || totals.P50 <= 0 {
		t.Errorf("%+v", totals)
	}
	r.ended(20)
	if r.packets != 20*20 {
		t.Errorf("%d packets arrived", r.packets)
	}
}

func TestPairs(t *testing.T) {
	a, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	loopback := netip.MustParseAddr("127.0.0.1")
	var out bytes.Buffer
	in := strings.NewReader(fmt.Sprintf("%d 127.0.0.1:%d 0.1\n\n", port(a), port(a)))
	if err := (Pairs{Host: loopback, Source: loopback, A: media.Tone(440), B: media.Tone(660)}).Run(t.Context(), in, &out); err != nil {
		t.Fatal(err)
	}
	var sent PairSent
	if err := json.Unmarshal(out.Bytes(), &sent); err != nil || len(sent.Sent) != 2 || sent.Sent[0].Packets != 5 || sent.Sent[1].Packets != 5 {
		t.Errorf("%s %v", out.Bytes(), err)
	}
	for _, line := range []string{"1 2", "x 2 3", "1 2 soon", "1 2 3 4 x"} {
		if err := (Pairs{Host: loopback, Source: loopback}).Run(t.Context(), strings.NewReader(line), &out); err == nil {
			t.Errorf("%q was accepted", line)
		}
	}
}

func TestParseKeys(t *testing.T) {
	keys, err := ParseKeys("1.5s:*1a")
	if err != nil || len(keys) != 3 || keys[0].At != 1500*time.Millisecond || keys[1].At != 1660*time.Millisecond || keys[2].Digit != 'A' {
		t.Errorf("%+v, %v", keys, err)
	}
	for _, text := range []string{"", "3s", "3s:", "3:*1", "3s:x", "-1s:1"} {
		if _, err := ParseKeys(text); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}
