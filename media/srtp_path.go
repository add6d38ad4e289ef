package media

// secure takes what an offer and answer say of a line's encryption.
func (l *line) secure(at int64, s *LineSpec) {
	switch {
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
