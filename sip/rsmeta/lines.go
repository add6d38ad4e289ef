package rsmeta

import "slices"

// line is an m-line of the RS.
type line struct {
	label   string
	streams []string // ids of the streams that come on it
	senders []string // the participants who send it
	owners  []string // those who sent it last
}

// Senders returns the ids of the participants who send a line now. Lines count
// from 0, as the labels given to SetLines.
func (v *View) Senders(line int) []string {
	if line < 0 || line >= len(v.lines) {
		return nil
	}
	return slices.Clone(v.lines[line].senders)
}

// Streamed returns the ids of the CSs whose streams come on a line, as far as
// the streams say so (RFC 7865 section 6.7). Lines count from 0.
func (v *View) Streamed(line int) (sessions []string) {
	if line < 0 || line >= len(v.lines) {
		return nil
	}
	for _, id := range v.lines[line].streams {
		if i, found := v.stream[id]; found && v.streams[i].Session != "" && !slices.Contains(sessions, v.streams[i].Session) {
			sessions = append(sessions, v.streams[i].Session)
		}
	}
	return sessions
}

// Owners returns the ids of the participants whose line it is: those who send
// it, and on hold those who did and are still here. Lines count from 0.
func (v *View) Owners(line int) []string {
	if ids := v.Senders(line); len(ids) > 0 || line < 0 || line >= len(v.lines) {
		return ids
	}
	return v.stillHere(v.lines[line].owners)
}

func (v *View) stillHere(ids []string) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !v.present(id) })
}

// carries reports whether a stream comes on the line; some SRCs name the label
// itself where a stream's id belongs.
func (l *line) carries(stream string) bool {
	return slices.Contains(l.streams, stream) || stream != "" && stream == l.label
}

// receives returns the labels of the streams that a participant receives, those
// too that are not delivered to us.
func (v *View) receives(id string) (labels []string) {
	i, found := v.wireOf[id]
	if !found {
		return nil
	}
	for _, stream := range v.wires[i].Recv {
		if label := v.labelOf(stream); label != "" && !slices.Contains(labels, label) {
			labels = append(labels, label)
		}
	}
	return labels
}

func (v *View) labelOf(stream string) string {
	for _, l := range v.lines {
		if l.carries(stream) && l.label != "" {
			return l.label
		}
	}
	if i, found := v.stream[stream]; found {
		return v.streams[i].Label
	}
	return ""
}

// SetLines tells the view the a=label values of the RS's current m-lines in
// order, "" for a line that has none: they tie streams to lines, of the
// documents so far and of those to come. It returns notes on guesses.
func (v *View) SetLines(labels []string) (notes []string) {
	was := v.lines
	v.lines = make([]line, len(labels))
	for i, label := range labels {
		v.lines[i].label = label
		if i < len(was) && was[i].label == label {
			v.lines[i].owners = was[i].owners
		}
	}
	return v.tie()
}

// tie finds out which streams come on which line, who sends it and whose it is.
func (v *View) tie() (notes []string) {
	for i := range v.lines {
		v.lines[i].streams, v.lines[i].senders = nil, nil
	}
	v.tieByLabel()
	if v.tieByOrder() {
		notes = append(notes, "labels of the metadata and of the lines do not meet: streams taken by order")
	}
	first := !v.wired
	v.associate()
	if v.wired {
		for i := range v.lines {
			if l := &v.lines[i]; len(l.senders) > 0 || first {
				l.owners = l.senders
			}
		}
		return notes
	}
	if v.seat() {
		notes = append(notes, "no association ties a participant to a line: taken by order")
	}
	return notes
}

// associate finds the senders that associations name.
func (v *View) associate() {
	for _, w := range v.wires {
		if !v.present(w.Participant) {
			continue
		}
		for i := range v.lines {
			if l := &v.lines[i]; slices.ContainsFunc(w.Send, l.carries) {
				l.senders = append(l.senders, w.Participant)
				v.wired = true
			}
		}
	}
}

// tieByLabel ties streams to the lines of their label (RFC 7865 section 6.7.1).
// Where several lines have one label its streams are dealt out in order.
func (v *View) tieByLabel() {
	for _, st := range v.streams {
		var best *line
		for i := range v.lines {
			l := &v.lines[i]
			if st.Label != "" && l.label == st.Label && (best == nil || len(l.streams) < len(best.streams)) {
				best = l
			}
		}
		if best != nil {
			best.streams = append(best.streams, st.ID)
		}
	}
}

// tieByOrder ties the streams that label ties to no line, in their order, to the
// lines that have none: those without a label, and all of them when no label
// leads anywhere. It reports whether there were any.
func (v *View) tieByOrder() bool {
	tied := func(l line) bool { return len(l.streams) > 0 }
	nowhere := !slices.ContainsFunc(v.lines, tied)
	var streams []string
	for _, st := range v.streams {
		if st.ID != "" && (nowhere || st.Label == "") {
			streams = append(streams, st.ID)
		}
	}
	var bare []*line
	for i := range v.lines {
		if l := &v.lines[i]; nowhere || !tied(*l) && l.label == "" {
			bare = append(bare, l)
		}
	}
	if len(v.lines) == 1 && nowhere {
		v.lines[0].streams = streams
		return false
	}
	// With fewer streams than lines nothing tells which line is left out.
	if len(bare) == 0 || len(streams) < len(bare) {
		return false
	}
	for i, l := range bare {
		l.streams = []string{streams[i]}
	}
	return true
}

// seat gives lines to participants by order alone: a single line is
// everybody's; of several each has one, who keeps it until he leaves, and who
// comes next takes his place. It reports whether it had to guess.
func (v *View) seat() bool {
	all := v.everybody()
	if len(v.lines) == 1 {
		v.lines[0].senders, v.lines[0].owners = all, all
		return false
	}
	for i := range v.lines {
		l := &v.lines[i]
		if l.owners = v.stillHere(l.owners); len(l.owners) > 1 {
			l.owners = nil // it was a single line, everybody's
		}
		all = slices.DeleteFunc(all, func(id string) bool { return slices.Contains(l.owners, id) })
	}
	guessed := false
	for i := range v.lines {
		l := &v.lines[i]
		if len(l.owners) == 0 && len(all) > 0 {
			l.owners, all = all[:1:1], all[1:]
		}
		l.senders = l.owners
		guessed = guessed || len(l.owners) > 0
	}
	return guessed
}
