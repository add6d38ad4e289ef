package recorder

import (
	"maps"
	"slices"

	"siprecd/sip"
)

// Profile is how an SRC tells what it sends.
type Profile uint8

const (
	SIPREC            Profile = iota // by metadata (RFC 7865)
	ParticipantHeader                // a header names the party of each line of plain SDP
	LegPerDialog                     // each party of a call comes in a dialog of its own, From names both
)

// profiled notes where an opening INVITE, which has been read, is not as its
// source's profile says.
func (c *Call) profiled(o *sip.Offer) {
	if len(o.Metadata) > 0 {
		return
	}
	_, forked := forkOf(&c.info)
	switch {
	case c.source.Profile == LegPerDialog && !forked:
		c.note("From does not say which end of a call this is: it is a recording of its own")
	case c.source.Profile == LegPerDialog:
	case c.source.Profile == ParticipantHeader:
		c.unnamedLines(o)
	case forked:
		c.note(`the source sends each end of a call by itself: profile = "leg-per-dialog" in its [[src]] makes one recording of both`)
	case len(o.Named) > 0:
		c.note(`the source names parties by headers: profile = "participant-header" in its [[src]] says so`)
	}
}

// unnamedLines notes the lines whose party no header names.
func (c *Call) unnamedLines(o *sip.Offer) {
	if len(o.Named) == 0 {
		c.note("no header names the parties: they are not known until one does")
		return
	}
	for i := range c.lines {
		named := slices.ContainsFunc(o.Named, func(n sip.Named) bool { return n.Line == i })
		if !named && len(c.lines[i].codecs) > 0 {
			c.note("line %d: no header names its party", i)
		}
	}
}

// correlate adds to the recordings by what another dialog of the call can be found.
func (c *Call) correlate(prefix string, info *sip.Info) {
	for _, rec := range c.recordings {
		rec.correlate(prefix, info)
	}
}

// correlate puts what the row has other values for beside them, under the prefix.
func (rec *recording) correlate(prefix string, info *sip.Info) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	vendor := maps.Clone(rec.row.Vendor)
	if vendor == nil {
		vendor = make(map[string]string)
	}
	for name, value := range info.Correlation {
		switch have, found := vendor[name]; {
		case !found:
			vendor[name] = value
		case have != value:
			vendor[prefix+name] = value
		}
	}
	vendor[prefix+"Call-ID"] = info.CallID
	rec.row.Vendor = vendor
}
