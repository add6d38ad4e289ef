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
func (rec *recording) present() []rsmeta.Party {
	seen := make(map[string]bool)
	here := slices.DeleteFunc(rec.parties(), func(p rsmeta.Party) bool {
		// One who is in two CSs is one person.
		gone := !p.Left.IsZero() || seen[p.ID]
		seen[p.ID] = seen[p.ID] || !gone
		return gone
	})
	if len(here) == 0 && !rec.rs.understood {
		return rec.fromHeaders()
	}
	return here
}

// fromHeaders is who the SIP headers of the RS speak of; some SRCs put the
// recorded user there and nowhere else.
func (rec *recording) fromHeaders() []rsmeta.Party {
	var ps []rsmeta.Party
	for _, a := range slices.Concat(rec.rs.info.PAI, []sip.Address{rec.rs.info.From, rec.rs.info.To}) {
		n := policy.Normalize(a.URI, rec.rs.settings.CountryCode)
		if n == "" || !rec.rs.settings.Rules.Ours(n) ||
			slices.ContainsFunc(ps, func(p rsmeta.Party) bool { return p.AOR == a.URI }) {
			continue
		}
		ps = append(ps, rsmeta.Party{ID: a.URI, AOR: a.URI, Name: a.Display})
	}
	return ps
}

// presence is what a change of parties is recognised by.
func (rec *recording) presence() []string {
	var ids []string
	for _, p := range rec.present() {
		ids = append(ids, p.ID+"\x00"+p.AOR+"\x00"+strings.Join(rec.labelled(p.Sends), "\x01"))
	}
	return ids
}

// facts is what the policy is asked with.
func (rec *recording) facts() policy.Facts {
	f := policy.Facts{Previous: rec.decision.Extension}
	for i, p := range rec.present() {
		party := policy.Party{AOR: p.AOR, Name: p.Name, Caller: i == 0, Callee: i > 0}
		if rec.rs.source.Profile == LegPerDialog {
			party.Caller, party.Callee = false, false // the near end may have been called
		}
		if labels := rec.labelled(p.Sends); len(labels) > 0 {
			party.Label = labels[0]
		}
		f.Parties = append(f.Parties, party)
	}
	if rec.namesNobodyOfOurs(f) {
		for _, p := range rec.fromHeaders() {
			rec.note("metadata names nobody of ours: the SIP headers do")
			f.Parties = append(f.Parties, policy.Party{AOR: p.AOR, Name: p.Name})
		}
	}
	return f
}

// namesNobodyOfOurs reports whether metadata names parties, and knew none of
// ours from the beginning: some SRCs write internal names there, and the
// recorded user into From alone.
func (rec *recording) namesNobodyOfOurs(f policy.Facts) bool {
	ever := func(p rsmeta.Party) bool {
		return slices.ContainsFunc(p.AORs, rec.rs.settings.Rules.Ours)
	}
	return rec.rs.understood && len(f.Parties) > 0 && !slices.ContainsFunc(rec.parties(), ever) &&
		rec.rs.settings.Rules.Decide(f).Known
}

// ourIDs returns the participant ids of those of us who are present.
func (rec *recording) ourIDs() []string {
	here := rec.present()
	var ids []string
	for _, i := range rec.decision.Ours {
		if i < len(here) {
			ids = append(ids, here[i].ID)
		}
	}
	return ids
}

// senders returns the participants whose line l is, on hold too. Parties that
// only the SIP headers name are taken by order, as the last resort.
func (rec *recording) senders(l *line) []string {
	if ids := rec.rs.view.Owners(l.index); len(ids) > 0 || rec.rs.understood {
		return ids
	}
	here := rec.present()
	if len(rec.rs.lines) == 1 {
		ids := make([]string, len(here))
		for i, p := range here {
			ids[i] = p.ID
		}
		return ids
	}
	if l.index >= len(here) {
		return nil
	}
	rec.note("no metadata ties a party to a line: taken by order")
	return []string{here[l.index].ID}
}

func (rec *recording) aors(ids []string) string {
	var aors []string
	for _, p := range rec.present() {
		if slices.Contains(ids, p.ID) {
			aors = append(aors, p.AOR)
		}
	}
	return strings.Join(aors, ", ")
}

// participants writes the parties seen so far into the row. Stays of one
// participant that overlap, in two CSs, are one.
func (rec *recording) participants() {
	ps := []store.Participant{}
	latest := make(map[string]int) // of ps, by participant id
	for _, p := range rec.parties() {
		if !p.Left.IsZero() && !p.Left.After(rec.start) {
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
			AOR: p.AOR, Name: p.Name, Number: policy.Normalize(p.AOR, rec.rs.settings.CountryCode),
			Joined: p.Joined.UTC(), Left: utc(p.Left),
		})
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.row.Participants, rec.row.Sessions = ps, rec.sessions()
}

// sessions are the ids under which the call may be found on other recordings.
func (rec *recording) sessions() []string {
	ids := slices.Clone(rec.of.sessions)
	if id := leg(rec.rs.info.Correlation); id != "" {
		ids = append(ids, id)
	}
	if rec.of.beside {
		ids = append(ids, sameRS+rec.rs.info.CallID)
	}
	return ids
}

// Of the extension data of one call so much is kept.
const (
	extensionsMost = 200
	extensionMost  = 1024 // bytes of all values under one path
)

// extensions keeps the documents' extension data as searchable fields. Values
// under one path stand side by side.
func (rec *recording) extensions(documents []*rsmeta.Document) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	// The map is shared with sip.Info and with rows given away; a copy is ours.
	vendor := maps.Clone(rec.row.Vendor)
	if vendor == nil {
		vendor = make(map[string]string)
	}
	for _, doc := range documents {
		for _, e := range doc.Extensions {
			if rec.foreign(e.Of) {
				continue
			}
			have, found := vendor[e.Path]
			switch {
			case !found && len(vendor) < extensionsMost:
				vendor[e.Path] = e.Value
			case found && len(have)+len(e.Value) < extensionMost && !slices.Contains(strings.Split(have, ", "), e.Value):
				vendor[e.Path] = have + ", " + e.Value
			}
		}
	}
	if len(vendor) > 0 {
		rec.row.Vendor = vendor
	}
}

// closeViews gives everyone who is still there an end.
func (rec *recording) closeViews(at time.Time) {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	for i := range rec.row.Participants {
		if rec.row.Participants[i].Left.IsZero() {
			rec.row.Participants[i].Left = at.UTC()
		}
	}
}

func utc(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC()
}
