package sip

import (
	"net/netip"
	"strings"
	"time"
)

// take handles one message from the network, or what the gate could read of one
// it refused. It is called by the reader of the socket, so that messages of one
// dialog reach its mailbox in the order they came in.
func (s *serverState) take(f *flow, m *Message, err error) {
	s.mu.Lock()
	st := s.count(f)
	if err != nil {
		st.ParseErrors++
	} else if m.Request {
		st.Requests++
	}
	s.mu.Unlock()
	switch {
	case err != nil:
		s.log.Debug("message refused", "src", f.source.Name, "err", err)
		s.refuseUnread(f, m, err)
	case !m.Request:
		if d := s.find(dialogKey{m.CallID, m.FromTag, m.ToTag}); d != nil {
			d.post(m)
		}
	default:
		stampVia(m, f.remote)
		m.PartyHeader = f.source.PartyHeader
		s.takeRequest(f, m)
	}
}

// refuseUnread answers a request that the gate refused, when enough of it could
// be read to name its transaction.
func (s *serverState) refuseUnread(f *flow, m *Message, err error) {
	status := gateStatus(err)
	if m == nil || !m.Request || m.Method == "ACK" || status == 0 || !m.has("Via") {
		return
	}
	stampVia(m, f.remote)
	tx := &serverTx{req: m, flow: f, tag: token(10)}
	wire := tx.response(status, err.Error()).bytes()
	s.put(f, wire, replyAddress(m, f.remote))
}

func (s *serverState) takeRequest(f *flow, m *Message) {
	f.secure = strings.HasPrefix(strings.ToLower(m.RequestURI), "sips:")
	tx := &serverTx{key: txKey(m, f.remote.String()), req: m, flow: f, tag: token(16)}
	s.mu.Lock()
	if known := s.table.byKey[tx.key]; known != nil {
		absorbed := m.Method != "ACK" || s.table.acked(known)
		wire, live := known.sent, known.flow
		s.mu.Unlock()
		switch {
		case !absorbed: // the ACK of a 2xx with its INVITE's branch
			s.within(tx)
		case m.Method != "ACK" && wire != nil:
			s.put(live, wire, replyAddress(m, f.remote))
		}
		return
	}
	if f.stream != nil && f.source.Digest == nil {
		s.dated(f.source.Name, m.reading(time.Now(), f.remote.Addr()))
	}
	var merged *serverTx
	if m.Method != "ACK" {
		merged = s.table.open(time.Now(), tx)
	}
	s.mu.Unlock()
	switch {
	case merged != nil:
		s.reply(tx, tx.response(482, ""))
	case m.Method == "CANCEL":
		s.cancel(tx)
	case m.ToTag != "":
		s.within(tx)
	case m.Method == "ACK":
	default:
		s.outside(tx)
	}
}

// within hands a request to its dialog; of a dialog we do not know, perhaps
// since a restart, the SRC must learn that it is gone.
func (s *serverState) within(tx *serverTx) {
	m := tx.req
	s.mu.Lock()
	d := s.dialogs[dialogKey{m.CallID, m.ToTag, m.FromTag}]
	// It is posted while the dialog is still known, so that what bury finds in
	// the mailbox is all there will ever be.
	if d != nil && !d.post(tx) {
		s.table.forget(tx) // lost, as on the network: the repetition comes as new
	}
	if d != nil {
		s.dated(d.info.Source, d.begun, m.reading(time.Now(), tx.flow.remote.Addr()))
	}
	s.mu.Unlock()
	if d == nil {
		s.gone(tx)
	}
}

// gone answers a request of a dialog that is no more, or never was.
func (s *serverState) gone(tx *serverTx) {
	if tx.req.Method != "ACK" {
		s.reply(tx, tx.response(481, ""))
	}
}

// bury forgets a dialog that has ended, and answers what came too late for it:
// over TCP nobody repeats it.
func (s *serverState) bury(key dialogKey, invite *serverTx) {
	s.mu.Lock()
	d := s.dialogs[key]
	delete(s.dialogs, key)
	invite.session = nil
	s.mu.Unlock()
	for {
		select {
		case in := <-d.inbox:
			if tx, ok := in.(*serverTx); ok {
				s.gone(tx)
			}
		default:
			return
		}
	}
}

func (s *serverState) find(key dialogKey) *Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dialogs[key]
}

func (s *serverState) cancel(tx *serverTx) {
	s.mu.Lock()
	invite := s.table.byKey[inviteKey(tx.req, tx.flow.remote.String())]
	var d *Session
	if invite != nil {
		d = invite.session
	}
	s.mu.Unlock()
	if invite == nil {
		s.reply(tx, tx.response(481, ""))
		return
	}
	tx.tag = invite.tag
	s.reply(tx, tx.response(200, ""))
	if d != nil {
		d.post(canceled(tx.req.header("Reason")))
	}
}

// outside answers a request that belongs to no dialog.
func (s *serverState) outside(tx *serverTx) {
	switch scheme := parseURI(tx.req.RequestURI).scheme; scheme {
	case "sip", "sips", "tel":
	default:
		s.reply(tx, tx.response(416, ""))
		return
	}
	switch tx.req.Method {
	case "INVITE":
		s.invite(tx)
	case "OPTIONS":
		s.options(tx)
	case "BYE", "UPDATE", "INFO", "PRACK":
		s.reply(tx, tx.response(481, ""))
	default:
		s.reply(tx, tx.response(405, ""))
	}
}

// busy says whether new RSs are refused at the moment, and for how long.
func (s *serverState) busy() (time.Duration, bool) {
	if s.draining.Load() {
		return 30 * time.Second, true
	}
	if s.Busy == nil {
		return 0, false
	}
	return s.Busy()
}

func (s *serverState) unavailable(tx *serverTx, after time.Duration) {
	r := tx.response(503, "")
	r.add("Retry-After", seconds(max(after, time.Second)))
	s.reply(tx, r)
}

func (s *serverState) options(tx *serverTx) {
	if after, busy := s.busy(); busy {
		s.unavailable(tx, after)
		return
	}
	if unknown := unsupportedTags(tx.req); len(unknown) > 0 {
		r := tx.response(420, "")
		r.add("Unsupported", strings.Join(unknown, ", "))
		s.reply(tx, r)
		return
	}
	r := tx.response(200, "")
	r.add("Contact", tx.flow.contact())
	r.add("Allow", allowed)
	r.add("Accept", accepted)
	r.add("Supported", supported+", siprec")
	s.reply(tx, r)
}

func (s *serverState) invite(tx *serverTx) {
	if after, busy := s.busy(); busy {
		s.unavailable(tx, after)
		return
	}
	if d := tx.flow.source.Digest; d != nil && !s.authentic(tx, d) {
		return
	}
	if status := s.takeover(tx.req); status != 0 {
		s.reply(tx, tx.response(status, ""))
		return
	}
	if !s.recording(tx) {
		s.notRecording(tx)
		return
	}
	s.open(tx)
}

// open starts an RS.
func (s *serverState) open(tx *serverTx) {
	m, f := tx.req, tx.flow
	d := &Session{
		info:   m.Info(time.Now(), f.network, f.remote, f.local),
		offers: make(chan *Offer), inbox: make(chan any, inboxSize), calls: make(chan func()),
		bye: make(chan *EndError, 1), done: make(chan struct{}), srv: s, flow: f,
	}
	d.info.Source, d.begun = f.source.Name, m.reading(d.info.Arrived, f.remote.Addr())
	key := dialogKey{m.CallID, tx.tag, m.FromTag}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		s.unavailable(tx, time.Second)
		return
	}
	tx.session = d
	s.dialogs[key] = d
	s.count(f) // its account may have told which of several sources it is
	s.actors.Add(1)
	s.mu.Unlock()
	go func() {
		defer s.actors.Done()
		d.run(s.ctx, tx, s.Handler)
		s.bury(key, tx)
	}()
}

// reply sends a response and remembers it for the request's repetitions.
func (s *serverState) reply(tx *serverTx, r *Message) {
	wire := r.bytes()
	s.mu.Lock()
	s.table.answered(time.Now(), tx, r.Status, wire)
	if r.Status >= 400 {
		s.count(tx.flow).Refused++
	}
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
	s.put(tx.flow, wire, replyAddress(tx.req, tx.flow.remote))
}

func (s *serverState) repeat(tx *serverTx) {
	s.mu.Lock()
	wire := tx.sent
	s.mu.Unlock()
	s.put(tx.flow, wire, replyAddress(tx.req, tx.flow.remote))
}

func (s *serverState) put(f *flow, wire []byte, to netip.AddrPort) *flow {
	used, err := f.write(wire, to)
	if err != nil {
		s.log.Debug("message not sent", "src", f.source.Name, "err", err)
	}
	return used
}

// request sends a request of ours along the SRC's connection, or to the next
// hop, and returns the flow it took. What was sent before is sent again only
// where TCP does not: over UDP, and when the connection was lost with it.
func (s *serverState) request(f *flow, m *Message, again bool) *flow {
	if again && f.stream != nil && !f.stream.gone.Load() {
		return f
	}
	to := nextHop(m, f.remote)
	if to.Addr() != f.remote.Addr() && len(s.admit(to.Addr())) == 0 {
		to = f.remote // nobody makes us send to strangers
	}
	return s.put(f, m.bytes(), to)
}

// nextHop is where a request of ours goes (RFC 3261 section 8.1.2): the first
// route or the target when that is an address, else where the SRC's messages
// come from. A private address named by a public one is behind a NAT and is not
// tried.
func nextHop(m *Message, from netip.AddrPort) netip.AddrPort {
	hop := parseURI(m.RequestURI)
	if route := m.header("Route"); route != "" && isLoose(route) {
		hop = parseURI(parseAddress(route).URI)
	}
	addr, err := netip.ParseAddr(hop.host)
	if err != nil || addr.IsUnspecified() || addr.IsMulticast() || addr.IsPrivate() && !from.Addr().IsPrivate() && !from.Addr().IsLoopback() {
		return from
	}
	port := hop.port
	switch {
	case port < 0:
		return from
	case port == 0 && (hop.scheme == "sips" || hop.params["transport"] == "tls"):
		port = 5061
	case port == 0:
		port = 5060
	}
	return netip.AddrPortFrom(addr, uint16(port))
}

// clock repeats refusals until their ACK and forgets old transactions.
func (s *serverState) clock() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		s.mu.Lock()
		again, next := s.table.tick(time.Now())
		s.mu.Unlock()
		for _, tx := range again {
			s.repeat(tx)
		}
		wake(timer, next)
		select {
		case <-timer.C:
		case <-s.wake:
		case <-s.stopClock:
			return
		}
	}
}
