package recorder

import (
	"fmt"
	"slices"
	"time"

	"siprecd/media"
	"siprecd/store"
)

// tell is what counts say to the reader of the row, of lines as of the tape.
func tell(counts []media.LineCounts, streams []store.Stream) []string {
	return slices.Concat(deaf(counts, streams), paused(counts, streams), dropped(counts, streams),
		turnedAway(counts, streams), unheard(counts, streams))
}

// lineName is a line as the row has it: by its label, where it has one.
func lineName(line int, streams []store.Stream) string {
	if line < len(streams) && streams[line].Label != "" {
		return fmt.Sprintf("line %q", streams[line].Label)
	}
	return fmt.Sprintf("line %d", line)
}

// packetsWere begins a sentence on n packets.
func packetsWere(n int64) string {
	if n == 1 {
		return "1 packet was"
	}
	return fmt.Sprintf("%d packets were", n)
}

// paused are notes on lines that the SRC paused and went on sending on.
func paused(counts []media.LineCounts, streams []store.Stream) (notes []string) {
	for _, n := range counts {
		// One or two are on the way when the line is paused.
		if n.Paused > 10 {
			notes = append(notes, fmt.Sprintf("%s went on sending while the source had it inactive: %s not kept",
				lineName(n.Line, streams), packetsWere(n.Paused)))
		}
	}
	return notes
}

// dropped are notes on packets that were lost here, and not on the network.
func dropped(counts []media.LineCounts, streams []store.Stream) (notes []string) {
	for _, n := range counts {
		if n.KernelDrops > 0 {
			notes = append(notes, fmt.Sprintf("%s: %s lost in this host's own socket buffer: it is overloaded, or net.core.rmem_max is too small",
				lineName(n.Line, streams), packetsWere(n.KernelDrops)))
		}
	}
	return notes
}

// turnedAway are notes on packets that are not of a line's sender, of more senders
// than it can have, or of no payload type of its own, when they are too many to
// have gone astray.
func turnedAway(counts []media.LineCounts, streams []store.Stream) (notes []string) {
	for _, n := range counts {
		matters := func(packets int64) bool {
			return packets > 50 || packets > 0 && n.RefusedSound >= time.Second
		}
		if matters(n.Foreign) {
			notes = append(notes, fmt.Sprintf("%s: %s not kept that came from another address or port than its sender's",
				lineName(n.Line, streams), packetsWere(n.Foreign)))
		}
		if matters(n.Crowded) {
			notes = append(notes, fmt.Sprintf("%s: %s not kept that came under more SSRCs at once than a line has room for",
				lineName(n.Line, streams), packetsWere(n.Crowded)))
		}
		if matters(n.Unannounced) {
			notes = append(notes, fmt.Sprintf("%s: %s not kept whose payload type was never announced",
				lineName(n.Line, streams), packetsWere(n.Unannounced)))
		}
	}
	return notes
}

// unheard are notes on lines on which no key can be heard.
func unheard(counts []media.LineCounts, streams []store.Stream) (notes []string) {
	for _, n := range counts {
		if n.Unheard == 0 {
			continue
		}
		codec := "its codec"
		if n.Line < len(streams) && streams[n.Line].Codec != "" {
			codec = streams[n.Line].Codec
		}
		notes = append(notes, fmt.Sprintf("%s: keys in the sound of %s are not heard, and no telephone-events were offered: only SIP INFO can start this recording",
			lineName(n.Line, streams), codec))
	}
	return notes
}

// deaf are notes on lines of which packets come and none can be opened.
func deaf(counts []media.LineCounts, streams []store.Stream) (notes []string) {
	for _, n := range counts {
		if n.Unauthenticated == 0 || n.Received > 0 {
			continue
		}
		suite := "SRTP"
		if n.Line < len(streams) && streams[n.Line].SRTP != "" {
			suite = streams[n.Line].SRTP
		}
		none, they := fmt.Sprintf("none of its %d packets fits", n.Unauthenticated), "they are"
		if n.Unauthenticated == 1 {
			none, they = "its only packet does not fit", "it is"
		}
		notes = append(notes, fmt.Sprintf("%s is not recorded: %s the key that was signalled (%s); %s encrypted with another one, or not at all",
			lineName(n.Line, streams), none, suite, they))
	}
	return notes
}

// complaint is something for the log, and whose fault it is.
type complaint struct{ message, side, reason string }

// complain remembers what the log is to say of the recording when it has ended.
func (rec *recording) complain() {
	counts := rec.track.Counts()
	rec.mu.Lock()
	streams := rec.row.Streams
	rec.mu.Unlock()
	add := func(message, side string, reasons []string) {
		for _, why := range reasons {
			rec.rs.complaints = append(rec.rs.complaints, complaint{message, side, why})
		}
	}
	add("a stream could not be decrypted", "src", deaf(counts, streams))
	add("packets were lost here", "srs", dropped(counts, streams))
	add("packets were refused", "src", turnedAway(counts, streams))
}
