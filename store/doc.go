// Package store keeps tapes, recordings and the catalogue in one data
// directory, so that a crash costs 200 ms of a call, a power cut one second,
// and a recording is whole or not there.
//
// There are only a few types: a [Store] is a data directory; a [Tape] is a
// live one, written, and [Records] what is read back; [Blobs] is where sealed
// recordings lie ([Vault] is the engine, a directory), [Catalog] finds a [Row]
// again ([Bolt] is the engine). [System] is the operating system, for tests.
//
// Open starts one goroutine, the syncer, and Close waits for it. Tapes, seals
// and queries run in their callers' goroutines.
//
// The store does not know what a tape's records mean, renders nothing and
// never looks into a recording.
//
// # The data directory
//
//	lock                            held (flock) by the one daemon; its time is
//	                                that of the last Recover
//	run.key                         32 random bytes, made at the first start
//	catalogue.db                    below; catalogue.db.bad-<time>: one that was
//	                                found damaged, and replaced
//	tapes/<ULID>.tape               below
//	vault/2006/01/02/<ULID>.wav     a recording; the day is that of the ULID, UTC
//	vault/2006/01/02/<ULID>.json    its facts: the Row; alone, when nothing was
//	                                recorded
//	*.part                          being written
//
// Files are 0600, directories 0700. No name comes from the wire.
//
// run.key wraps the keys of tapes; it lies beside them, and stands in for a
// key hierarchy that is to come. Until then encryption protects a tape that
// was forgotten, not one on a stolen disk.
//
// # A tape
//
// All integers are little-endian.
//
//	0    8   "SRCTAPE\n"
//	8    4   version, 1
//	12   4   zeros
//	16   44  id, zero-padded
//	60   4   CRC-32C of bytes 0 to 59
//	64   60  the tape's key, sealed with run.key: nonce 12, key 32, tag 16;
//	         additional data: id. Zeros while the tape is provisional
//	124      zeros, room for a second wrapping
//	512      frames
//
// A frame is one block of at most 4 KiB, sealed with AES-256-GCM:
//
//	0    4   a7 't' 'p' 'e'
//	4    4   number of the block, from 0
//	8    4   n, length of what follows but for the CRC
//	12   n   nonce 12, cipher text, tag 16; additional data: id and number
//	12+n 4   CRC-32C of all before, by which a torn tail is known without a key
//
// A number is missing where the disk had no room for a block. A reader passes
// over bytes that are no whole frame, to the next one that is.
//
// A block is a row of fragments:
//
//	0    1   kind
//	1    1   1: the record goes on in the next block; 2: it began in the last
//	2    2   line
//	4        time in Unix nanoseconds, as signed varint: the difference from
//	         the fragment before; in full in the first fragment of a block
//	         length, as varint, and the bytes
//
// # The catalogue
//
// One bbolt file. A point is start (8 bytes, big-endian, microseconds of Unix
// time, sign bit flipped) and id (26 bytes), so that every index is in order
// of time. Texts longer than 512 bytes are cut off in keys.
//
//	v1
//	├─ version                               → 1, as varint
//	├─ row / <id>                            → Row, JSON
//	├─ by-time / <point>                     → nothing
//	├─ by-state / <state> 0 <point>          → nothing
//	├─ by-extension / <extension> 0 <point>  → nothing
//	├─ by-number / <number> 0 <point>        → nothing, for each party
//	├─ by-number-reversed / <rebmun> 0 <point> → nothing
//	└─ by-cs / <session_id> 0 <point>        → nothing, for each CS
//
// It holds nothing that the facts do not hold too, but for the rows of calls
// that are not sealed yet: those have their tapes.
package store
