package recorder

import (
	"fmt"

	"siprecd/media"
	"siprecd/store"
)

// paused are notes on lines that the SRC paused and went on sending on.
func paused(counts []media.LineCounts) (notes []string) {
	for _, n := range counts {
		// One or two are on the way when the line is paused.
		if n.Paused > 10 {
			notes = append(notes, fmt.Sprintf("line %d went on sending while the source had it inactive: %d packets were not kept", n.Line, n.Paused))
		}
	}
	return notes
}

// dropped are notes on packets that were lost here, and not on the network.
func dropped(counts []media.LineCounts) (notes []string) {
	for _, n := range counts {
		if n.KernelDrops > 0 {
			notes = append(notes, fmt.Sprintf("line %d: %d packets were lost in this host's own socket buffer: it is overloaded, or net.core.rmem_max is too small",
				n.Line, n.KernelDrops))
		}
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
		notes = append(notes, fmt.Sprintf("line %d is not recorded: none of its %d packets fits the key that was signalled (%s); they are encrypted with another one, or not at all",
			n.Line, n.Unauthenticated, suite))
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
	for _, why := range deaf(counts, streams) {
		rec.rs.complaints = append(rec.rs.complaints, complaint{"a stream could not be decrypted", "src", why})
	}
	for _, why := range dropped(counts) {
		rec.rs.complaints = append(rec.rs.complaints, complaint{"packets were lost here", "srs", why})
	}
}
