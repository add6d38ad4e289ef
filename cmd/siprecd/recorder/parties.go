package recorder

import (
	"maps"
	"slices"
	"strings"
	"time"

	"siprecd/policy"
	"siprecd/sip"
	"siprecd/sip/rsmeta"
	"siprecd/store"
)

// present returns the parties that are in the call now, in the order of the
// lines they send.
func (c *Call) present() []rsmeta.Party {
	all := c.view.Parties()
	seen := make(map[string]bool)
	here := slices.DeleteFunc(all, func(p rsmeta.Party) bool {
		// One who is in two CSs is one person.
		gone := !p.Left.IsZero() || seen[p.ID]
		seen[p.ID] = seen[p.ID] || !gone
		return gone
	})
	if len(here) == 0 && !c.understood {
		return c.fromHeaders()
	}
	return here
}

// fromHeaders is who the SIP headers of the RS speak of; some SRCs put the
// recorded user there and nowhere else.
func (c *Call) fromHeaders() []rsmeta.Party {
	var ps []rsmeta.Party
	for _, a := range slices.Concat(c.info.PAI, []sip.Address{c.info.From, c.info.To}) {
		n := policy.Normalize(a.URI, c.settings.CountryCode)
		if n == "" || !c.settings.Rules.Ours(n) ||
			slices.ContainsFunc(ps, func(p rsmeta.Party) bool { return p.AOR == a.URI }) {
			continue
		}
		ps = append(ps, rsmeta.Party{ID: a.URI, AOR: a.URI, Name: a.Display})
	}
	return ps
}

// presence is what a change of parties is recognised by.
func (c *Call) presence() []string {
	var ids []string
	for _, p := range c.present() {
		ids = append(ids, p.ID+"\x00"+p.AOR+"\x00"+strings.Join(p.Sends, "\x01"))
	}
	return ids
}

// facts is what the policy is asked with.
func (c *Call) facts() policy.Facts {
	f := policy.Facts{Previous: c.decision.Extension}
	for i, p := range c.present() {
		party := policy.Party{AOR: p.AOR, Name: p.Name, Caller: i == 0, Callee: i > 0}
		if c.source.Profile == LegPerDialog {
			party.Caller, party.Callee = false, false // the near end may have been called
		}
		if len(p.Sends) > 0 {
			party.Label = p.Sends[0]
		}
		f.Parties = append(f.Parties, party)
	}
	if c.namesNobodyOfOurs(f) {
		for _, p := range c.fromHeaders() {
			c.note("metadata names nobody of ours: the SIP headers do")
			f.Parties = append(f.Parties, policy.Party{AOR: p.AOR, Name: p.Name})
		}
	}
	return f
}

// namesNobodyOfOurs reports whether metadata names parties, and knew none of
// ours from the beginning: some SRCs write internal names there, and the
// recorded user into From alone.
func (c *Call) namesNobodyOfOurs(f policy.Facts) bool {
	ever := func(p rsmeta.Party) bool {
		return slices.ContainsFunc(p.AORs, c.settings.Rules.Ours)
	}
	return c.understood && len(f.Parties) > 0 && !slices.ContainsFunc(c.view.Parties(), ever) &&
		c.settings.Rules.Decide(f).Known
}

// ourIDs returns the participant ids of those of us who are present.
func (c *Call) ourIDs() []string {
	here := c.present()
	var ids []string
	for _, i := range c.decision.Ours {
		if i < len(here) {
			ids = append(ids, here[i].ID)
		}
	}
	return ids
}

// senders returns the participants whose line l is, on hold too. Parties that
// only the SIP headers name are taken by order, as the last resort.
func (c *Call) senders(l *line) []string {
	if ids := c.view.Owners(l.index); len(ids) > 0 || c.understood {
		return ids
	}
	here := c.present()
	if len(c.lines) == 1 {
		ids := make([]string, len(here))
		for i, p := range here {
			ids[i] = p.ID
		}
		return ids
	}
	if l.index >= len(here) {
		return nil
	}
	c.note("no metadata ties a party to a line: taken by order")
	return []string{here[l.index].ID}
}

func (c *Call) aors(ids []string) string {
	var aors []string
	for _, p := range c.present() {
		if slices.Contains(ids, p.ID) {
			aors = append(aors, p.AOR)
		}
	}
	return strings.Join(aors, ", ")
}

// participants writes the parties seen so far into the row. Stays of one
// participant that overlap, in two CSs, are one.
func (c *Call) participants() {
	ps := []store.Participant{}
	latest := make(map[string]int) // of ps, by participant id
	for _, p := range c.view.Parties() {
		if !p.Left.IsZero() && !p.Left.After(c.start) {
			continue // of a call before this one
		}
		if i, ok := latest[p.ID]; ok && (ps[i].Left.IsZero() || ps[i].Left.After(p.Joined)) {
			if !ps[i].Left.IsZero() && (p.Left.IsZero() || ps[i].Left.Before(p.Left)) {
				ps[i].Left = utc(p.Left)
			}
			continue
		}
		latest[p.ID] = len(ps)
		ps = append(ps, store.Participant{
			AOR: p.AOR, Name: p.Name, Number: policy.Normalize(p.AOR, c.settings.CountryCode),
			Joined: p.Joined.UTC(), Left: utc(p.Left),
		})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.row.Participants, c.row.Sessions = ps, c.sessions()
}

// sessions are the ids under which the call may be found on other recordings.
func (c *Call) sessions() []string {
	ids := slices.Clone(c.of.sessions)
	if id := leg(c.info.Correlation); id != "" {
		ids = append(ids, id)
	}
	return ids
}

// Of the extension data of one call so much is kept.
const (
	extensionsMost = 200
	extensionMost  = 1024 // bytes of all values under one path
)

// extensions keeps a document's extension data as searchable fields. Values
// under one path stand side by side.
func (c *Call) extensions(doc *rsmeta.Document) {
	if len(doc.Extensions) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// The map is shared with sip.Info and with rows given away; a copy is ours.
	vendor := maps.Clone(c.row.Vendor)
	if vendor == nil {
		vendor = make(map[string]string)
	}
	for _, e := range doc.Extensions {
		have, found := vendor[e.Path]
		switch {
		case !found && len(vendor) < extensionsMost:
			vendor[e.Path] = e.Value
		case found && len(have)+len(e.Value) < extensionMost && !slices.Contains(strings.Split(have, ", "), e.Value):
			vendor[e.Path] = have + ", " + e.Value
		}
	}
	c.row.Vendor = vendor
}

// closeViews gives everyone who is still there an end.
func (c *Call) closeViews(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.row.Participants {
		if c.row.Participants[i].Left.IsZero() {
			c.row.Participants[i].Left = at.UTC()
		}
	}
}

func utc(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC()
}
