package recorder

import (
	"strconv"

	"siprecd/sip"
	"siprecd/sip/rsmeta"
)

// labelByIndex gives a line without a label, of a source that names its parties
// by the index of a line, that index as its label.
func (c *Call) labelByIndex(o *sip.Offer) {
	if len(o.Named) > 0 {
		c.byHeaders = o.Named
	}
	for _, n := range c.byHeaders {
		if n.Line >= 0 && n.Line < len(c.lines) && c.lines[n.Line].offered.Label == "" {
			c.lines[n.Line].offered.Label = c.labelOf(n.Line)
		}
	}
}

func (c *Call) labelOf(line int) string {
	if _, forked := forkOf(&c.info); forked && c.source.Profile == LegPerDialog {
		return side(line).String()
	}
	return strconv.Itoa(line)
}

// fromNamed makes of the parties that a message's headers name what metadata
// would have said; nil when there is metadata, or nobody is named.
func (c *Call) fromNamed(o *sip.Offer) *rsmeta.Document {
	if len(o.Named) == 0 || len(o.Metadata) > 0 {
		return nil
	}
	doc := &rsmeta.Document{Complete: true}
	for _, n := range o.Named {
		doc.Participants = append(doc.Participants, rsmeta.Participant{
			ID: n.URI, Names: []rsmeta.Name{{AOR: n.URI, Display: n.Display}},
		})
		if n.Line < 0 || n.Line >= len(c.lines) {
			continue
		}
		label := c.lines[n.Line].offered.Label
		stream := "line " + label
		doc.Streams = append(doc.Streams, rsmeta.Stream{ID: stream, Label: label})
		doc.Wires = append(doc.Wires, rsmeta.Wire{Participant: n.URI, Send: []string{stream}})
	}
	return doc
}
