package media

// sequence counts one line's packets by their sequence numbers (RFC 3550
// appendix A.1), across wraps, restarts and changes of SSRC.
type sequence struct {
	ssrc                uint32
	begun               bool
	highest, lowest     int64
	unique              int64
	window              [1 << 10]int64 // sequence number last seen in each place, plus one
	lost, dups, packets int64
}

// jump is how far a sequence number may leap before it is a restart.
const jump = 3000

// add counts a packet and reports whether it is a duplicate; ext is its
// extended sequence number.
func (s *sequence) add(ssrc uint32, seq uint16) (ext int64, dup bool) {
	s.packets++
	if !s.begun || ssrc != s.ssrc {
		return s.begin(ssrc, seq), false
	}
	d := int64(int16(seq - uint16(s.highest)))
	if d > jump || d < -jump {
		return s.begin(ssrc, seq), false
	}
	ext = s.highest + d
	if place := &s.window[uint64(ext)%uint64(len(s.window))]; *place == ext+1 {
		s.dups++
		return ext, true
	} else if *place < ext+1 {
		*place = ext + 1
	}
	s.highest, s.lowest = max(s.highest, ext), min(s.lowest, ext)
	s.unique++
	return ext, false
}

func (s *sequence) begin(ssrc uint32, seq uint16) int64 {
	s.end()
	ext := int64(seq) + 1<<20
	s.ssrc, s.begun, s.highest, s.lowest, s.unique = ssrc, true, ext, ext, 1
	clear(s.window[:])
	s.window[uint64(ext)%uint64(len(s.window))] = ext + 1
	return ext
}

// end closes the count of a stretch: the gate shut, or the sender restarted.
func (s *sequence) end() {
	if s.begun {
		s.lost += max(0, s.highest-s.lowest+1-s.unique)
	}
	s.begun = false
}
