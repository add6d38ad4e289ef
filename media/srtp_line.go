package media

import (
	"encoding/binary"
	"slices"
)

const (
	// oldKeyGrace is how long keys that were replaced open what was on its way.
	oldKeyGrace = 10 * nsPerSec

	// searchFar is how many rollovers ahead a stream is looked for: a late join,
	// or a long silence. At 50 packets a second 255 rollovers are four days.
	searchFar = 255
	// searchMost is how many tries a line may make at once, and searchMore what
	// every packet that fails adds: a flood cannot make us search for ever.
	searchMost = 64 * searchFar
	searchMore = 8
	// A known stream is searched after so many failures in a row, or when it was
	// silent for so long.
	searchMisses = 16
	searchIdle   = 10 * nsPerSec

	replayWidth = 256 // packets: 5 s of a stream; RFC 3711 section 3.3.2 asks for 64
)

// srtpLine is the keys of one line and what has been received under them.
type srtpLine struct {
	keys  []*srtpKey // those of the newest signalling first
	fresh int        // how many of keys those are
	until int64      // when the others are forgotten

	rtp, rtcp [maxSSRCs]srtpStream
	budget    int    // tries left to search with
	cursor    uint32 // the rollover tried last, from the known one
}

// srtpStream is one SSRC under one key.
type srtpStream struct {
	key    *srtpKey // nil: a free place
	ssrc   uint32
	window replayWindow
	misses int   // failures since the last packet
	last   int64 // arrival of the last packet
}

// srtpVerdict is what became of a protected packet.
type srtpVerdict uint8

const (
	srtpOpened   srtpVerdict = iota
	srtpForged               // under none of the keys
	srtpReplayed             // it came before, or is too old to tell
	srtpNoRoom               // authentic, but of one SSRC too many
)

// setKeys replaces the keys. Those that stay keep their streams.
func (s *srtpLine) setKeys(at int64, masters []MasterKey) {
	s.retire(at)
	was := s.keys[:s.fresh]
	same := slices.EqualFunc(was, masters, func(k *srtpKey, m MasterKey) bool { return k.is(m) })
	if same {
		return
	}
	var keys []*srtpKey
	for _, m := range masters {
		if i := slices.IndexFunc(s.keys, func(k *srtpKey) bool { return k.is(m) }); i >= 0 {
			keys = append(keys, s.keys[i])
		} else if k, err := newSRTPKey(m); err == nil {
			keys = append(keys, k)
		}
	}
	s.fresh, s.until, s.budget = len(keys), at+oldKeyGrace, searchMost
	for _, k := range was {
		if !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	s.keep(keys)
}

func (k *srtpKey) is(m MasterKey) bool {
	return k.master.Suite == m.Suite && string(k.master.Key) == string(m.Key) && string(k.master.MKI) == string(m.MKI)
}

// retire forgets the keys whose time is over.
func (s *srtpLine) retire(at int64) {
	if len(s.keys) > s.fresh && at > s.until {
		s.keep(s.keys[:s.fresh])
	}
}

// keep makes keys the only ones, and frees the streams of all others.
func (s *srtpLine) keep(keys []*srtpKey) {
	s.keys = slices.Clone(keys)
	for _, table := range []*[maxSSRCs]srtpStream{&s.rtp, &s.rtcp} {
		for i := range table {
			if table[i].key != nil && !slices.Contains(keys, table[i].key) {
				table[i] = srtpStream{}
			}
		}
	}
}

// openRTP authenticates and decrypts b in place; unless it is opened b stays as
// it was. headerLen is that of b's RTP header.
func (s *srtpLine) openRTP(at int64, b []byte, headerLen int) ([]byte, srtpVerdict) {
	s.retire(at)
	seq, ssrc := binary.BigEndian.Uint16(b[2:]), binary.BigEndian.Uint32(b[8:])
	replayed := false
	for _, k := range s.keys {
		st := find(&s.rtp, k, ssrc)
		if st == nil {
			indexes := s.beginnings(ssrc, seq)
			for i, index := range indexes {
				if i > 0 && index == indexes[0] {
					break
				}
				if clear, ok := k.openRTP(b, headerLen, index); ok {
					return s.begin(at, k, ssrc, index, clear)
				}
			}
			continue
		}
		index, ok := st.window.estimate(seq)
		if !ok || st.window.seen(index) {
			replayed = replayed || at-st.last <= searchIdle
			continue
		}
		if clear, ok := k.openRTP(b, headerLen, index); ok {
			st.accept(at, index)
			return clear, srtpOpened
		}
		st.misses++
	}
	if replayed {
		return nil, srtpReplayed
	}
	return s.search(at, b, headerLen)
}

// beginnings are the indexes that the first packet of an SSRC under a key may
// have: a new key goes on with the rollover counter of the old one (RFC 3711
// section 3.3.1), yet some senders begin at 0 again.
func (s *srtpLine) beginnings(ssrc uint32, seq uint16) [2]uint64 {
	begin := [2]uint64{uint64(seq), uint64(seq)}
	for i := range s.rtp {
		if st := &s.rtp[i]; st.key != nil && st.ssrc == ssrc {
			if index, ok := st.window.estimate(seq); ok {
				begin[0] = max(begin[0], index)
			}
		}
	}
	return begin
}

// search tries rollover counters further on.
func (s *srtpLine) search(at int64, b []byte, headerLen int) ([]byte, srtpVerdict) {
	s.budget = min(s.budget+searchMore, searchMost)
	seq, ssrc := binary.BigEndian.Uint16(b[2:]), binary.BigEndian.Uint32(b[8:])
	for range min(s.budget, searchFar+1) {
		s.cursor = (s.cursor + 1) % (searchFar + 1)
		for _, k := range s.keys {
			from, after := uint64(0), uint64(0)
			st := find(&s.rtp, k, ssrc)
			if st != nil {
				if st.misses < searchMisses && at-st.last <= searchIdle {
					continue
				}
				from, after = st.window.highest>>16, st.window.highest
			}
			s.budget--
			index := (from+uint64(s.cursor))<<16 | uint64(seq)
			if index>>48 != 0 || index < after {
				continue
			}
			if clear, ok := k.openRTP(b, headerLen, index); ok {
				return s.begin(at, k, ssrc, index, clear)
			}
		}
	}
	return nil, srtpForged
}

// begin enters the first packet of a stream, or one found far ahead.
func (s *srtpLine) begin(at int64, k *srtpKey, ssrc uint32, index uint64, clear []byte) ([]byte, srtpVerdict) {
	st := enter(&s.rtp, k, ssrc, at)
	if st == nil {
		return nil, srtpNoRoom
	}
	st.accept(at, index)
	return clear, srtpOpened
}

// openRTCP is like openRTP, for a packet of at least 8 octets.
func (s *srtpLine) openRTCP(at int64, b []byte) ([]byte, srtpVerdict) {
	s.retire(at)
	ssrc := binary.BigEndian.Uint32(b[4:])
	for _, k := range s.keys {
		clear, index, ok := k.openRTCP(b)
		if !ok {
			continue
		}
		st := enter(&s.rtcp, k, ssrc, at)
		switch {
		case st == nil:
			return nil, srtpNoRoom
		case st.window.seen(uint64(index)):
			return nil, srtpReplayed
		}
		st.accept(at, uint64(index))
		return clear, srtpOpened
	}
	return nil, srtpForged
}

func (st *srtpStream) accept(at int64, index uint64) {
	st.window.accept(index)
	st.misses, st.last = 0, at
}

func find(table *[maxSSRCs]srtpStream, k *srtpKey, ssrc uint32) *srtpStream {
	for i := range table {
		if st := &table[i]; st.key == k && st.ssrc == ssrc {
			return st
		}
	}
	return nil
}

// enter finds a stream or gives it a place: a free one, or that of one long
// silent. nil: there is none. Only authentic packets get this far.
func enter(table *[maxSSRCs]srtpStream, k *srtpKey, ssrc uint32, at int64) *srtpStream {
	if st := find(table, k, ssrc); st != nil {
		return st
	}
	for i := range table {
		if st := &table[i]; st.key == nil || at-st.last > ssrcIdle {
			*st = srtpStream{key: k, ssrc: ssrc, last: at}
			return st
		}
	}
	return nil
}

// replayWindow remembers which of the newest indexes have come. The zero value
// has seen nothing.
type replayWindow struct {
	highest uint64
	bits    [replayWidth / 64]uint64 // by index modulo replayWidth
}

// estimate returns the index nearest to the highest that ends in seq (RFC 3711
// section 3.3.1); false when that would lie before 0.
func (w *replayWindow) estimate(seq uint16) (index uint64, ok bool) {
	index = w.highest + uint64(int64(int16(seq-uint16(w.highest))))
	return index, index>>48 == 0
}

// seen reports whether an index has come, or is too old to tell.
func (w *replayWindow) seen(index uint64) bool {
	if index > w.highest {
		return false
	}
	return w.highest-index >= replayWidth || w.bits[index/64%(replayWidth/64)]>>(index%64)&1 == 1
}

func (w *replayWindow) accept(index uint64) {
	if index > w.highest {
		for i := w.highest + 1; i <= min(index, w.highest+replayWidth); i++ {
			w.bits[i/64%(replayWidth/64)] &^= 1 << (i % 64)
		}
		w.highest = index
	}
	w.bits[index/64%(replayWidth/64)] |= 1 << (index % 64)
}
