package sip

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// ledger checks what a dialog machine does against what may never happen.
type ledger struct {
	d       *dialog
	now     time.Time
	finals  map[*serverTx]int
	asked   map[*serverTx]bool
	open    []*exchange
	offered uint32
	ended   int
	invites map[uint32]*serverTx // answered with 2xx, not acknowledged
	ours    []*Message           // requests of ours without a final answer
	wishes  int
	settled int
}

func (l *ledger) act(t *rapid.T) {
	for _, a := range l.d.take() {
		switch a := a.(type) {
		case reply:
			if a.res.Status < 200 {
				continue
			}
			if l.finals[a.tx]++; l.finals[a.tx] > 1 {
				t.Fatalf("%s %d was answered twice", a.tx.req.Method, a.tx.req.CSeq)
			}
			if a.tx.req.Method == "ACK" {
				t.Fatal("an ACK was answered")
			}
			if a.tx.req.Method == "INVITE" && a.res.Status < 300 {
				l.invites[a.tx.req.CSeq] = a.tx
			}
		case repeat:
			if l.finals[a.tx] != 1 || l.invites[a.tx.req.CSeq] == nil {
				t.Fatal("repeated what is acknowledged or was never answered")
			}
		case send:
			if a.again {
				continue
			}
			if a.req.Method != "ACK" {
				if l.ended > 0 && a.req.Method != "BYE" {
					t.Fatalf("%s after the end", a.req.Method)
				}
				l.ours = append(l.ours, a.req)
			}
		case deliver:
			if l.ended > 0 {
				t.Fatal("an offer after the end")
			}
			// An ACK has the number of its INVITE, whatever came in between.
			if a.offer.CSeq < l.offered && a.offer.Method != "ACK" {
				t.Fatalf("offer %d after %d", a.offer.CSeq, l.offered)
			}
			l.offered = max(l.offered, a.offer.CSeq)
			if a.ex != nil {
				l.open = append(l.open, a.ex)
			}
		case settle:
			l.settled++
		case finish:
			l.ended++
		}
	}
	if l.ended > 1 {
		t.Fatal("ended twice")
	}
}

func propertyRequest(method string, cseq int, body string, headers ...string) *serverTx {
	raw := fmt.Sprintf("%s sip:srs@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK%s\r\nFrom: <sip:a@192.0.2.10>;tag=1\r\nTo: <sip:srs@192.0.2.1>\r\n"+
		"Call-ID: c1\r\nCSeq: %d %s\r\nContact: <sip:a@192.0.2.10>;+sip.src\r\nSupported: timer\r\n%sContent-Type: application/sdp\r\n\r\n%s",
		method, token(8), cseq, method, strings.Join(headers, ""), body)
	m, _, err := ParseMessage([]byte(raw), true)
	if err != nil {
		panic(err)
	}
	return &serverTx{req: m, flow: &flow{network: "udp"}, tag: "srs"}
}

// Whatever comes in whatever order: each request is answered at most once, and
// in the end exactly once; offers come in order; a 2xx is repeated only until
// its ACK; one end; nothing but BYE after it; every wish is settled.
func TestDialogProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := &ledger{now: time.Unix(1_800_000_000, 0), finals: map[*serverTx]int{}, asked: map[*serverTx]bool{}, invites: map[uint32]*serverTx{}}
		cseq := 1
		body := func(label string) string { return rapid.SampledFrom([]string{offerSDP, ""}).Draw(t, label) }
		first := propertyRequest("INVITE", cseq, body("first"))
		l.asked[first] = true
		l.d = newDialog(l.now, first, "<sip:192.0.2.1>;+sip.srs", "SIP/2.0/UDP 192.0.2.1")
		l.act(t)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			l.step(t, &cseq, body)
			l.act(t)
		}
		for range 400 { // the SRC falls silent: everything must come to an end
			for _, ex := range l.open {
				l.d.accept(l.now, ex, &Answer{Addr: bubbleSRS.AddrPort().Addr(), Lines: []AnswerLine{{}, {}}})
			}
			l.act(t)
			l.open = nil
			if l.d.state != over && l.d.next().IsZero() {
				l.d.hangup(l.now, &EndError{Side: "srs", Reason: "normal"}, "")
				l.act(t)
			}
			if l.d.quiet() {
				break
			}
			if next := l.d.next(); next.After(l.now) {
				l.now = next
			}
			l.d.tick(l.now)
			l.act(t)
			if next := l.d.next(); !next.IsZero() && !next.After(l.now) {
				t.Fatal("a tick that changes nothing would be repeated for ever")
			}
		}
		if !l.d.quiet() || l.ended != 1 {
			t.Fatalf("not over: %d waiting, in progress %v, ended %d", len(l.d.waiting), l.d.out, l.ended)
		}
		for tx := range l.asked {
			if l.finals[tx] != 1 {
				t.Fatalf("%s %d has %d answers", tx.req.Method, tx.req.CSeq, l.finals[tx])
			}
		}
		if l.settled != l.wishes {
			t.Fatalf("%d of %d wishes settled", l.settled, l.wishes)
		}
	})
}

func (l *ledger) step(t *rapid.T, cseq *int, body func(string) string) {
	switch what := rapid.SampledFrom([]string{"INVITE", "UPDATE", "INFO", "OPTIONS", "REFER", "BYE", "old", "ack", "ack", "answer", "answer", "reject", "cancel", "wish", "respond", "respond", "time", "hangup"}).Draw(t, "what"); what {
	case "ack":
		if len(l.invites) > 0 {
			n := slices.Min(slices.Collect(maps.Keys(l.invites)))
			delete(l.invites, n)
			l.d.request(l.now, propertyRequest("ACK", int(n), body("ack")))
		}
	case "answer", "reject":
		if len(l.open) == 0 {
			return
		}
		ex := l.open[0]
		l.open = l.open[1:]
		if what == "reject" {
			l.d.reject(l.now, ex, 488, "no")
		} else {
			l.d.accept(l.now, ex, &Answer{Addr: bubbleSRS.AddrPort().Addr(), Lines: []AnswerLine{{}, {}}})
		}
	case "cancel":
		l.d.cancel("")
	case "wish":
		l.wishes++
		w := &wish{snapshot: rapid.Bool().Draw(t, "snapshot"), result: make(chan error, 1)}
		if !w.snapshot {
			w.redirect = &Answer{Addr: bubbleSRS.AddrPort().Addr(), Lines: []AnswerLine{{}, {}}}
		}
		l.d.want(l.now, w)
	case "respond":
		if len(l.ours) == 0 {
			return
		}
		req := l.ours[0]
		l.ours = l.ours[1:]
		status := rapid.SampledFrom([]int{200, 200, 200, 491, 500, 488, 481, 408}).Draw(t, "status")
		res := (&serverTx{req: req, flow: &flow{}}).response(status, "")
		res.CSeq = req.CSeq
		l.d.response(l.now, res)
	case "time":
		l.now = l.now.Add(time.Duration(rapid.Int64Range(0, int64(40*time.Second)).Draw(t, "wait")))
		l.d.tick(l.now)
	case "hangup":
		if rapid.IntRange(0, 4).Draw(t, "really") == 0 {
			l.d.hangup(l.now, &EndError{Side: "srs", Reason: "normal"}, "")
		}
	case "BYE":
		if rapid.IntRange(0, 4).Draw(t, "really") > 0 {
			return
		}
		fallthrough
	default:
		n, method := *cseq+1, what
		if what == "old" {
			n, method = max(1, *cseq-1), "INFO"
		} else {
			*cseq = n
		}
		tx := propertyRequest(method, n, body("body"))
		l.asked[tx] = true
		l.d.request(l.now, tx)
	}
}
