package media

import (
	"encoding/binary"
	"math"
	"slices"
	"sort"
)

const (
	maxReports  = 4096       // of one sender; of more, every other one is left out, again and again
	fewReports  = 3          // fewer say nothing
	reportSlack = 5_000_000  // ns; reports that scatter by more are not exact
	leastLate   = 25_000_000 // ns; senders' reports are off by up to a packet's time
	reportReach = 30 * nanos // from one report of a sender to the next
)

// statement is what a sender report says (RFC 3550 section 6.4.1): when its
// sender's wall clock showed ntp, its timestamps stood at stamp.
type statement struct {
	ntp    int64 // ns, of the sender's wall clock
	stamp  int64 // extended
	sounds int64 // packets of audio of its chain that came before
}

// statements are a chain's sender reports. Arrivals tell how each sender's
// clock stands to ours but for the time the packets were under way; senders that
// share a wall clock, which their common CNAME says, tell how they stand to each
// other without it (RFC 3550 section 6.5.1).
type statements struct {
	cname string
	every int64 // only each so many'th report is kept; 0: each
	seen  int64
	list  []statement
}

// heard takes the reports and names out of one RTCP compound of a line.
func (l *tapeLine) heard(b []byte) {
	for ; validRTCP(b); b = b[4+4*int(binary.BigEndian.Uint16(b[2:])):] {
		body := b[4 : 4+4*int(binary.BigEndian.Uint16(b[2:]))]
		switch {
		case b[1] == rtcpSR && len(body) >= 24:
			if c := l.chains[binary.BigEndian.Uint32(body)]; c != nil {
				c.state(binary.BigEndian.Uint64(body[4:]), binary.BigEndian.Uint32(body[12:]))
			}
		case b[1] == rtcpSDES && b[0]&31 > 0 && len(body) >= 4:
			if c := l.chains[binary.BigEndian.Uint32(body)]; c != nil {
				c.name(body[4:])
			}
		}
	}
}

// state notes a report. A time of zero is none (RFC 3550 section 6.4.1).
func (c *chain) state(ntp uint64, stamp uint32) {
	r := &c.reports
	r.seen++
	if ntp == 0 || c.sounds == 0 || r.every > 0 && r.seen%r.every != 0 {
		return
	}
	if len(r.list) == maxReports {
		kept := r.list[:0]
		for i := 1; i < maxReports; i += 2 {
			kept = append(kept, r.list[i])
		}
		r.list, r.every = kept, max(1, r.every)*2
	}
	r.list = append(r.list, statement{
		ntp:    int64(ntp>>32)*nanos + int64(ntp&math.MaxUint32*nanos>>32),
		stamp:  c.stamp + int64(int32(stamp-uint32(c.stamp))),
		sounds: c.sounds,
	})
}

// name reads the CNAME of a description's first chunk; the first one counts.
func (c *chain) name(items []byte) {
	for len(items) >= 2 && items[0] != 0 && len(items) >= 2+int(items[1]) {
		if items[0] == cnameItem && c.reports.cname == "" {
			c.reports.cname = string(items[2 : 2+int(items[1])])
		}
		items = items[2+int(items[1]):]
	}
}

// stand is how a run stands to its sender's wall clock at one of its reports.
type stand struct{ ntp, offset int64 } // ns

// witnessed is a run with its sender's statements.
type witnessed struct {
	line   int
	run    *run
	cname  string
	stands []stand // by ntp
}

// agree moves runs that came late as a whole to where their sender's reports
// put them beside those of the same wall clock. The earliest of them is right:
// a network makes nothing early.
func (p *plan) agree() {
	var all []witnessed
	for i, l := range p.lines {
		if l == nil {
			continue
		}
		for k, c := range l.chains {
			all = append(all, c.reports.of(l.runs[k], i)...)
		}
	}
	moves := make([]int64, len(all))
	for i := range all {
		moves[i] = all[i].late(all)
	}
	for i, by := range moves {
		r := all[i].run
		if by = min(by, r.anchor); by > 0 {
			r.anchor -= by
			p.moved = append(p.moved, move{line: all[i].line, by: by})
		}
	}
}

// of shares the reports out to the runs of their chain.
func (s *statements) of(runs []run, line int) (all []witnessed) {
	if s.cname == "" {
		return nil
	}
	for i := range runs {
		r := &runs[i]
		w := witnessed{line: line, run: r, cname: s.cname}
		for _, st := range s.list {
			if st.sounds > r.first && (i+1 == len(runs) || st.sounds <= runs[i+1].first) {
				at := r.anchor + stampTime(st.stamp-r.origin, r.clock) + int64(r.driftAt(st.stamp))
				w.stands = append(w.stands, stand{st.ntp, at - st.ntp})
			}
		}
		if len(w.stands) >= fewReports {
			slices.SortFunc(w.stands, func(a, b stand) int { return int(max(-1, min(1, a.ntp-b.ntp))) })
			all = append(all, w)
		}
	}
	return all
}

// late returns by how much the run lies behind the earliest other one of its
// wall clock, ns; 0 when that is no more than reports may be wrong by, when
// they contradict each other, or when it is too much to be a packet's delay.
func (w *witnessed) late(all []witnessed) int64 {
	most := int64(0)
	for i := range all {
		if o := &all[i]; o.cname == w.cname && o.line != w.line {
			most = max(most, w.behind(o))
		}
	}
	return most
}

func (w *witnessed) behind(o *witnessed) int64 {
	var by []int64
	for _, s := range w.stands {
		if at, known := o.at(s.ntp); known {
			by = append(by, s.offset-at)
		}
	}
	if len(by) < fewReports {
		return 0
	}
	slices.Sort(by)
	middle := by[len(by)/2]
	// All but the worst tenth at each end have to say the same.
	tenth := len(by) / 10
	if by[len(by)-1-tenth]-by[tenth] > 2*reportSlack || middle < leastLate || middle > shiftSpan {
		return 0
	}
	return middle
}

// at returns how the run stands to the wall clock at another time.
func (w *witnessed) at(ntp int64) (offset int64, known bool) {
	i := sort.Search(len(w.stands), func(i int) bool { return w.stands[i].ntp >= ntp })
	near := func(i int) bool {
		return i >= 0 && i < len(w.stands) && max(w.stands[i].ntp-ntp, ntp-w.stands[i].ntp) < reportReach
	}
	switch before, after := near(i-1), near(i); {
	case before && after:
		a, b := w.stands[i-1], w.stands[i]
		share := float64(ntp-a.ntp) / float64(b.ntp-a.ntp)
		return a.offset + int64(share*float64(b.offset-a.offset)), true
	case before:
		return w.stands[i-1].offset, true
	case after:
		return w.stands[i].offset, true
	}
	return 0, false
}
