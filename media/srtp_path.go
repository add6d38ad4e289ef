package media

// secure takes what an offer and answer say of a line's encryption.
func (l *line) secure(at int64, s *LineSpec) {
	if s.Own != nil && !s.DTLS && (l.reports.key == nil || !l.reports.key.is(*s.Own)) {
		// A key that Check refuses is none: nothing is sent under it.
		l.reports.key, _ = newSRTPKey(*s.Own)
	}
	switch {
	case s.DTLS:
		return
	case l.srtp != nil:
	case len(s.Keys) == 0:
		return
	default:
		l.srtp = &srtpLine{}
	}
	l.srtp.setKeys(at, s.Keys)
}

// decrypted returns a datagram as it was before encryption. False: it is to be
// forgotten, and has been counted.
func (l *line) decrypted(at int64, rtcp bool, b []byte) ([]byte, bool) {
	if l.srtp != nil && !l.spec.Secure {
		// SRTP was switched off; what was on its way is still encrypted.
		if l.srtp.retire(at); len(l.srtp.keys) == 0 {
			l.srtp = nil
		}
	}
	if l.srtp == nil && !l.spec.Secure {
		return b, true
	}
	clear, verdict := l.open(at, rtcp, b)
	switch {
	case verdict == srtpOpened:
		return clear, true
	case verdict == srtpForged && !l.spec.Secure:
		return b, true
	case verdict == srtpReplayed:
		l.counts.Replayed++
		return nil, false
	case verdict == srtpForged:
		l.counts.Unauthenticated++
	case !rtcp:
		l.refuse(&l.counts.Crowded, b)
		return nil, false
	}
	l.counts.Refused++
	return nil, false
}

func (l *line) open(at int64, rtcp bool, b []byte) ([]byte, srtpVerdict) {
	if rtcp {
		if l.srtp == nil || len(b) < rtcpHeader {
			return nil, srtpForged
		}
		return l.srtp.openRTCP(at, b)
	}
	headerLen, ok := rtpHeaderLen(b)
	if l.srtp == nil || !ok {
		return nil, srtpForged
	}
	return l.srtp.openRTP(at, b, headerLen)
}

// setKeys gives a line the keys that a handshake made: theirs, and the one that
// is ours.
func (p *Path) setKeys(i int, at int64, theirs []MasterKey, own MasterKey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.line(i)
	if l == nil {
		return
	}
	if l.srtp == nil {
		l.srtp = &srtpLine{}
	}
	l.srtp.setKeys(at, theirs)
	l.reports.key, _ = newSRTPKey(own)
}

// setWire says where the DTLS datagrams of a line go; nil: nowhere.
func (p *Path) setWire(i int, w *dtlsWire) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l := p.line(i); l != nil {
		l.wire, l.wired = w, l.wired || w != nil
	}
}
