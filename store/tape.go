package store

import "iter"

// Record is one entry of a tape as it is read back. Data is valid until the
// next record.
type Record struct {
	Kind uint8
	At   int64 // Unix nanoseconds
	Line uint16
	Data []byte
}

// Records is a tape's content in order. A torn tail ends it without an error;
// damage before the tail yields an error and goes on behind it where it can.
type Records = iter.Seq2[Record, error]
