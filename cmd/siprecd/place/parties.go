package place

import (
	"encoding/base64"
	"net/netip"
	"strings"
	"sync"
	"time"

	"crypto/rand"

	"siprecd/sip/rsmeta"
)

// labels are the a=label values of the two lines.
var labels = [2]string{"1", "2"}

// Parties is who speaks in a call, and the metadata that says so (RFC 7865).
// It is safe for concurrent use: the SRS may ask for a snapshot at any time.
type Parties struct {
	src     string // URI of the SRC itself
	session string
	started time.Time
	streams [2]string // stream ids

	mu   sync.Mutex // guards the rest
	now  [2]party   // by line
	left []party
}

type party struct {
	id, aor, name string
	joined, left  time.Time
}

func (c Call) newParties(local netip.Addr) *Parties {
	host := local.Unmap().WithZone("").String()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	from, to := c.From, c.To
	if from == "" {
		from = "1001"
	}
	if to == "" {
		to = "1002"
	}
	now := time.Now()
	p := &Parties{src: "sip:src@" + host, session: newID(), started: now, streams: [2]string{newID(), newID()}}
	p.now[0] = party{id: newID(), aor: address(from, host), name: c.FromName, joined: now}
	p.now[1] = party{id: newID(), aor: address(to, host), name: c.ToName, joined: now}
	return p
}

// newID is the base64 form of a random UUID (RFC 7865 section 6.10).
func newID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return base64.StdEncoding.EncodeToString(b[:])
}

func address(s, host string) string {
	switch {
	case strings.HasPrefix(s, "sip:"), strings.HasPrefix(s, "sips:"), strings.HasPrefix(s, "tel:"):
		return s
	case strings.Contains(s, "@"):
		return "sip:" + s
	}
	return "sip:" + s + "@" + host
}

// Transfer puts another party on line i (0 is A, 1 is B), and returns the
// metadata to send.
func (p *Parties) Transfer(i int, to, name string) []byte {
	p.mu.Lock()
	now := time.Now()
	gone := p.now[i]
	gone.left = now
	p.left = append(p.left, gone)
	_, host, _ := strings.Cut(p.src, "@")
	p.now[i] = party{id: newID(), aor: address(to, host), name: name, joined: now}
	p.mu.Unlock()
	return p.Complete()
}

// Complete is the whole of what is known, as one document.
func (p *Parties) Complete() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	d := p.document()
	for i, who := range p.now {
		p.add(d, who)
		d.Wires = append(d.Wires, rsmeta.Wire{
			Participant: who.id, Associated: who.joined,
			Send: []string{p.streams[i]}, Recv: []string{p.streams[1-i]},
		})
	}
	for _, who := range p.left {
		p.add(d, who)
	}
	return rsmeta.Encode(d)
}

// Farewell is the partial document of a call that is over (RFC 8068 section
// 3.2.4).
func (p *Parties) Farewell() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	d := &rsmeta.Document{
		Sessions:     []rsmeta.Session{{ID: p.session, Stop: now}},
		SessionAssoc: []rsmeta.SessionAssoc{{Session: p.session, Associated: p.started, Closed: now}},
	}
	for _, who := range p.now {
		d.Members = append(d.Members, rsmeta.Member{Participant: who.id, Session: p.session, Associated: who.joined, Closed: now})
	}
	return rsmeta.Encode(d)
}

// Placeholder is what SRCs send that learn the parties later: both lines are
// somebody's without a name.
func (p *Parties) Placeholder() []byte {
	d := p.document()
	_, host, _ := strings.Cut(p.src, "@")
	for i := range p.streams {
		who := party{id: newID(), aor: "sip:placeholder@" + host, joined: p.started}
		p.add(d, who)
		d.Wires = append(d.Wires, rsmeta.Wire{Participant: who.id, Associated: p.started, Send: []string{p.streams[i]}})
	}
	return rsmeta.Encode(d)
}

func (p *Parties) document() *rsmeta.Document {
	d := &rsmeta.Document{
		Complete:     true,
		Sessions:     []rsmeta.Session{{ID: p.session, Start: p.started}},
		SessionAssoc: []rsmeta.SessionAssoc{{Session: p.session, Associated: p.started}},
	}
	for i, id := range p.streams {
		d.Streams = append(d.Streams, rsmeta.Stream{ID: id, Session: p.session, Label: labels[i]})
	}
	return d
}

func (p *Parties) add(d *rsmeta.Document, who party) {
	d.Participants = append(d.Participants, rsmeta.Participant{ID: who.id, Names: []rsmeta.Name{{AOR: who.aor, Display: who.name}}})
	d.Members = append(d.Members, rsmeta.Member{Participant: who.id, Session: p.session, Associated: who.joined, Closed: who.left})
}
