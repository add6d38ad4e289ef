package place

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"time"

	"siprecd/media"
	"siprecd/sip"
)

// Call is one recording session (RS) to place.
type Call struct {
	SRC    *SRC   // nil: one of its own, over UDP
	Target string // "sip:HOST[:PORT]"

	From, To         string // the parties: user names or URIs; empty: "1001" and "1002"
	FromName, ToName string
	A, B             Side // what they say

	Duration time.Duration // of the media; 0: of the longer clip, 10 s when neither ends
	Codec    string        // "PCMU" (also when empty), "PCMA", "G722" or "L16" (16 kHz)
	Ptime    time.Duration // 0: 20 ms

	SRTP   string          // suite to encrypt with, as in media.SRTPSuites; "": in clear
	Rekeys []time.Duration // when to give new keys by re-INVITE

	Infos       []media.KeyTone // keys by SIP INFO, which names no line
	Pauses      []Pause
	LateParties time.Duration // the parties are named by an UPDATE after this time; 0: in the INVITE
	Steps       []Step
	Offerless   bool // INVITE without SDP
	Farewell    bool // the BYE carries metadata that ends the communication session
	Keep        bool // fill Sent.Audio

	// Answered is told when the RS stands and before its media begins; may be nil.
	Answered func(*sip.Outgoing)
}

// Side is one party's media.
type Side struct {
	Clip  *media.Clip     // nil: silence
	Keys  []media.KeyTone // by RFC 4733, in the media
	Delay time.Duration   // of the first packet
}

// Result is how a call went.
type Result struct {
	CallID  string        `json:"call_id,omitempty"`
	Session string        `json:"session,omitempty"` // id of the communication session in the metadata
	Start   time.Time     `json:"start"`             // the INVITE
	Took    time.Duration `json:"took_ns"`           // from the INVITE to the 200
	End     time.Time     `json:"end"`               // the BYE, ours or theirs
	EndedBy string        `json:"ended_by,omitempty"`
	Lines   []LineResult  `json:"lines,omitempty"`
}

// LineResult is what was sent on one line.
type LineResult struct {
	Label string         `json:"label"`
	From  netip.AddrPort `json:"from"`
	To    netip.AddrPort `json:"to"`
	Codec string         `json:"codec"`
	media.Sent
}

// Packets returns how many RTP packets the call has sent.
func (r Result) Packets() (n int64) {
	for _, l := range r.Lines {
		n += l.Packets
	}
	return n
}

// Run places the call and returns when it is over. A call that the SRS refuses,
// ends or loses is an error beside what is known of it; so is a step that went
// wrong. When ctx ends the call is ended with BYE.
func (c Call) Run(ctx context.Context) (Result, error) {
	if c.SRC == nil {
		src, err := Open(Options{})
		if err != nil {
			return Result{}, err
		}
		defer src.Close()
		c.SRC = src
	}
	local, err := c.SRC.Caller.LocalAddr(ctx, c.Target)
	if err != nil {
		return Result{}, fmt.Errorf("%s cannot be reached: %w", c.Target, err)
	}
	conns, err := Sockets(ctx, local, 2)
	if err != nil {
		return Result{}, err
	}
	defer closeAll(conns)
	l := &liveCall{Call: c, conns: conns, parties: c.newParties(local), codec: strings.ToUpper(c.Codec)}
	if l.codec == "" {
		l.codec = "PCMU"
	}
	if l.wanted, err = l.offer(local); err != nil {
		return Result{}, err
	}
	return l.run(ctx)
}

// liveCall is a Call that is going on.
type liveCall struct {
	Call
	codec   string
	conns   []*net.UDPConn
	parties *Parties
	wanted  []sip.Line
	rs      *sip.Outgoing
	changed chan []sip.OutgoingLine // by the SRS
	outs    []*media.Out            // by line, nil where the SRS refused it
	codecs  []string                // by line
	result  Result
}

func (l *liveCall) offer(local netip.Addr) ([]sip.Line, error) {
	audio := sip.Codec{Payload: 0, Name: l.codec, Clock: 8000, Channels: 1}
	switch l.codec {
	case "PCMA":
		audio.Payload = 8
	case "G722":
		audio.Payload = 9
	case "L16":
		audio.Payload, audio.Clock = 96, 16000
	}
	events := sip.Codec{Payload: 101, Name: "TELEPHONE-EVENT", Clock: audio.Clock, Channels: 1, Fmtp: "0-16"}
	var lines []sip.Line
	for i, conn := range l.conns {
		lines = append(lines, sip.Line{
			Label: labels[i], Addr: netip.AddrPortFrom(local, port(conn)), Direction: sip.SendOnly,
			Codecs: []sip.Codec{audio, events}, Ptime: l.Ptime,
		})
	}
	if l.SRTP == "" {
		return lines, nil
	}
	return withKeys(lines, l.SRTP, 1)
}

func (l *liveCall) run(ctx context.Context) (Result, error) {
	l.changed = make(chan []sip.OutgoingLine, 8)
	first := l.parties.Complete
	if l.LateParties > 0 {
		first = l.parties.Placeholder
	}
	l.result = Result{Start: time.Now(), Session: l.parties.session}
	rs, err := l.SRC.Caller.Invite(ctx, sip.Invitation{
		Target: l.Target, From: l.parties.src, Lines: l.wanted, Offerless: l.Offerless,
		Metadata: first(), Snapshot: l.parties.Complete,
		OnChange: func(lines []sip.OutgoingLine) {
			select {
			case l.changed <- lines:
			default: // eight changes at once: the newest do not matter to a test call
			}
		},
	})
	if err != nil {
		l.result.End = time.Now()
		return l.result, err
	}
	l.rs = rs
	l.result.CallID, l.result.Took = rs.CallID(), rs.Took()
	if l.Answered != nil {
		l.Answered(rs)
	}
	err = l.startMedia()
	if err == nil {
		err = l.follow(ctx)
	}
	return l.finish(ctx, err)
}

// startMedia begins both lines on one clock.
func (l *liveCall) startMedia() error {
	length := l.length()
	var streams []media.OutStream
	lines := l.rs.Lines()
	l.outs, l.codecs = make([]*media.Out, len(l.conns)), make([]string, len(l.conns))
	var at []int
	for i, side := range []Side{l.A, l.B} {
		if i >= len(lines) || !lines[i].To.IsValid() {
			continue
		}
		audio, ok := lines[i].Audio()
		if !ok {
			return fmt.Errorf("the SRS accepts line %s without a codec", labels[i])
		}
		key, err := l.key(lines[i])
		if err != nil {
			return err
		}
		event, _ := lines[i].Events()
		l.codecs[i] = audio.Name
		at = append(at, i)
		streams = append(streams, media.OutStream{
			Conn: l.conns[i], To: lines[i].To, Codec: audio.Name, Clip: side.Clip, Ptime: l.Ptime,
			Presses: side.Keys, Payload: audio.Payload, EventPayload: event.Payload, Delay: side.Delay,
			SSRC: rand.Uint32(), Seq: uint16(rand.Uint32()), Timestamp: rand.Uint32(), SRTP: key,
			Length: max(length-side.Delay, time.Millisecond), Keep: l.Keep, Paused: !lines[i].Sending,
		})
	}
	if len(streams) == 0 {
		return errors.New("the SRS refused every media line")
	}
	outs, err := l.SRC.sender.AddTogether(streams...)
	for k := range outs {
		l.outs[at[k]] = outs[k]
	}
	return err
}

func (l *liveCall) length() time.Duration {
	if l.Duration > 0 {
		return l.Duration
	}
	length := time.Duration(0)
	for _, s := range []Side{l.A, l.B} {
		if s.Clip != nil && s.Clip.Length() > 0 {
			length = max(length, s.Delay+s.Clip.Length())
		}
	}
	if length == 0 {
		return 10 * time.Second
	}
	return length
}

// follow does the steps and waits for the media, the SRS or ctx to end.
func (l *liveCall) follow(ctx context.Context) error {
	steps := l.steps()
	begin := time.Now()
	for {
		media := l.mediaDone()
		if media == nil && len(steps) == 0 {
			return nil
		}
		var wait <-chan time.Time
		if len(steps) > 0 {
			wait = time.After(time.Until(begin.Add(steps[0].At)))
		}
		select {
		case <-media:
		case <-wait:
			step := steps[0]
			steps = steps[1:]
			if err := step.Do(ctx, l.rs, l.parties); err != nil {
				return fmt.Errorf("%v into the call: %w", step.At, err)
			}
		case lines := <-l.changed:
			l.apply(lines)
		case <-l.rs.Done():
			return l.rs.Err()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// mediaDone is the Done of a stream that still runs, nil when none does.
func (l *liveCall) mediaDone() <-chan struct{} {
	for _, o := range l.outs {
		if o == nil {
			continue
		}
		select {
		case <-o.Done():
		default:
			return o.Done()
		}
	}
	return nil
}

// apply follows what the SRS asked for.
func (l *liveCall) apply(lines []sip.OutgoingLine) {
	for i, o := range l.outs {
		if o == nil || i >= len(lines) {
			continue
		}
		if lines[i].To.IsValid() {
			o.Aim(lines[i].To)
		}
		o.Pause(!lines[i].Sending)
	}
}

// finish ends the call and gathers what was sent.
func (l *liveCall) finish(ctx context.Context, err error) (Result, error) {
	l.result.End = time.Now()
	for i, o := range l.outs {
		if o == nil {
			continue
		}
		line := LineResult{Label: labels[i], From: l.wanted[i].Addr, Codec: l.codecs[i], Sent: o.Stop()}
		if lines := l.rs.Lines(); i < len(lines) {
			line.To = lines[i].To
		}
		l.result.Lines = append(l.result.Lines, line)
	}
	l.result.EndedBy = "src"
	var end *sip.EndError
	if errors.As(l.rs.Err(), &end) {
		l.result.EndedBy = end.Side
		return l.result, err
	}
	byeCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbyeTime)
	defer cancel()
	var last []byte
	if l.Farewell {
		last = l.parties.Farewell()
	}
	return l.result, errors.Join(err, l.rs.Bye(byeCtx, last))
}
