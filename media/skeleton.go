package media

import (
	"io"
)

// Rendering is a measured tape, ready to be written.
type Rendering struct{ Facts Facts }

// Measure reads a tape once: length, clocks and facts.
func Measure(t Tape) (*Rendering, error) { panic("unbuilt") }

// WriteTo writes the recording strictly forward, reading the tape again. The
// same tape gives the same bytes.
func (r *Rendering) WriteTo(w io.Writer) (int64, error) { panic("unbuilt") }
