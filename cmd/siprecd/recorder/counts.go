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

// deafLines is deaf for the call as it stands.
func (c *Call) deafLines() []string {
	counts := c.track.Counts()
	c.mu.Lock()
	defer c.mu.Unlock()
	return deaf(counts, c.row.Streams)
}
