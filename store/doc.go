// Package store keeps tapes, recordings and the catalogue in one data
// directory, so that a crash costs 200 ms of a call, a power cut one second,
// and a recording is whole or not there.
//
// There are only a few types: a [Store] is a data directory; a [Tape] is a
// live one, written, [Records] what is read back, and a [Follower] reads it while
// it grows; [Blobs] is where sealed
// recordings lie ([Vault] is the engine, a directory), [Catalog] finds a [Row]
// again ([Bolt] is the engine). [Keys] are the identities of the days on which
// recordings die; [Audio] is a recording opened with them. [Ledger] is what can
// be proved; [Witness] is its other end, a directory of its own on another
// machine. [System] is the operating system, for tests.
//
// Open starts the syncer, the ledger's signer and, when the catalogue is large,
// one that reads it; Close waits for them. Tapes, seals and queries run in their
// callers' goroutines.
//
// The store does not know what a tape's records mean, renders nothing and
// never looks into a recording.
//
// # The data directory
//
//	lock                            held (flock) by the one daemon; its time is
//	                                that of the last Recover
//	run.key                         32 random bytes, made at the first start, where
//	                                no better place for them is given
//	catalogue.db                    below; catalogue.db.bad-<time>: one that was
//	                                found damaged, and replaced
//	tapes/<ULID>.tape               below
//	vault/2006/01/02/<ULID>.body    a recording: an age file without its header;
//	                                the day is that of the ULID, UTC
//	vault/2006/01/02/<ULID>.json    its facts: the Row; alone, when nothing was
//	                                recorded
//	originals/vault/…/<ULID>.body   a tape, kept sealed beside its recording: its
//	                                ULID is the recording's with the first bit of
//	                                the random part turned, and so is its header's
//	keys/headers/<day>/<ULID>       the age header of a recording that dies on day
//	keys/days/<day>/recipient       public half of the day's identity
//	keys/days/<day>/<name>.age      its secret half, sealed to one custodian
//	keys/days/<day>/recipient+2,    another identity of a day whose first was found
//	    <name>+2.age, …             damaged or gone, or sealed to nobody any more; dies
//	                                with it
//	keys/days/<day>/<name>+new.age  sealed to a custodian's new recipient, while one
//	                                takes the place of the old
//	keys/custodians/emergency…      made like first, when no other can be sealed to
//	keys/custodians/*.protected,    an identity that takes the place of the one in
//	    *.gone                      clear, or is being destroyed: the next start ends it
//	keys/days/<day>/destroyed       the day is over: when its keys were destroyed
//	keys/days/<day>/finished        its bodies and rows are gone too
//	keys/custodians/<name>.pub      an age recipient; of one that the ledger was never
//	                                told of nothing comes but a warning
//	keys/copies.jsonl               copies that Backup made of the keys; the receipts
//	                                of the dead count them, and those that the ledger
//	                                knows of should it be gone
//	keys/custodians/first.identity  what the first start made; in clear until it is
//	                                protected with a passphrase
//	change.json                     facts of a hold that the ledger is being told of,
//	                                until they and the row are written
//	scrub.json                      what the newest Scrub found, or how far it is
//	ledger/                         below
//	checkpoint                      the ledger's newest, once more: a log that is
//	                                older, or another, was put in its place
//	checkpoint.missing-…, …         below, with the ledger
//	*.part                          being written
//
// Files are 0600, directories 0700. No name comes from the wire.
//
// The run key opens tapes, so that a daemon that was killed renders by itself. It
// is given by whoever starts it ([RunKey]), or lies where a power cut empties, or
// else beside the tapes, and goes with the disk then. Each tape's key is sealed to
// its day as well: what a power cut interrupted, a custodian opens.
//
// # A recording's life and death
//
// A recording is sealed to the identity of the day from whose first moment on
// it is dead. Its header lies apart from its body, and is durable before the
// body's rename, which commits:
//
//	cat keys/headers/<day>/<ULID> vault/…/<ULID>.body | age -d -i day.key
//
// gives it back with nothing of ours; and a custodian gets day.key with
//
//	age -d -i <identity> -o day.key keys/days/<day>/<name>.age
//
// One recording ends with its header; a day with all its headers, then its
// secret, then the bodies and rows. A hold keeps one header and that day's
// secret, and lets the rest go. Nothing is ever sealed again. Keys of a dead day
// that come back are found by Verify, and die again the next night.
//
// Who is a custodian, the ledger says: each leaf of a change, and of what was made
// at the first start or in an emergency, states the digests of the recipients that
// count from then on. A public half that lies there without, or in the place of
// another, gets no copy of any secret. When nobody is left that can be sealed to,
// as where the key directory or the ledger is gone, the recorder makes a custodian
// whose identity lies here in clear: calls are kept, and status warns. A recording
// is committed only while somebody has the secret half of what it was sealed to;
// else its tape stays.
//
// Without any key Verify sees headers that are missing, altered, too many or of
// the dead; days that were marked as over and are not, or are over and there; public
// halves that are not those recordings were sealed to, or not those of custodians;
// and sealed secrets that are gone or no age files any more. That a sealed secret
// holds another one, or rubbish, is seen with what is unlocked alone, by Verify and
// by Check, which opens the header of every recording.
//
// Who holds what, and gets what by it:
//
//	the vault, or a backup of it          nothing, ever
//	the vault and the key directory       everything while an identity lies in
//	                                      clear; nothing once it is protected, but
//	                                      sizes, times and how many
//	those and a custodian's identity      all recordings whose day has not come
//	a copy of the keys from before a      what died since, if the bodies were kept
//	day's death, and an identity          too: so headers and secrets are in no
//	                                      backup of audio
//	the running daemon's memory           what is unlocked, and the calls going on
//	the run key and the tapes             the calls going on, and those that a kill
//	                                      interrupted; without the run key nothing,
//	                                      until a custodian unlocks
//	memory of the programs that decode    the audio of the call that is rendered; they
//	                                      have no file and no network
//	the catalogue, the facts files        numbers, names and times in clear: put the
//	                                      data directory on an encrypted volume
//	a backup without keys                 the same, and of calls that have died since
//	                                      too: keep it encrypted, and destroy it before
//	                                      the first of its days dies
//	the right to write here, but for      nothing to hear; what is changed, added or
//	reading ledger/signer.key             taken away is found by Verify, and that what
//	                                      states the leaves is gone, not how many were.
//	                                      But a log that is cut back to a checkpoint
//	                                      of before, of which ledger/checkpoints holds
//	                                      one each ten minutes, is what it was then:
//	                                      only recordings and facts that came later,
//	                                      and were left there, tell it here
//	the right to write in keys            nothing of what is sealed already. Keys of a
//	                                      day that were put there before its first
//	                                      recording are used like those that were
//	                                      made here, and nothing tells: whoever made
//	                                      them opens what is sealed to them. Those
//	                                      that come later are found by Verify. And
//	                                      the end of any recording, which it finds
//	the right to write everywhere here    the same, and the ledger's signer, which lies
//	                                      here: with it a leaf that makes anybody a
//	                                      custodian, and so whatever dies from then
//	                                      on; what is changed without it is found by
//	                                      Verify. Another past that is signed with it
//	                                      is found by whoever has seen a checkpoint:
//	                                      without a witness, the owners of bundles
//	                                      and whoever keeps checkpoints elsewhere;
//	                                      with one, the witness at the next look,
//	                                      but for leaves it had not cosigned yet
//	                                      (seconds, or as long as it is out of reach).
//	                                      A leaf more is no other past: who counts
//	                                      the custodians sees it
//	that, and the witness's directory     a new past that nobody finds but the owners
//	                                      of bundles: keep the two in other hands
//	the wire between the two              checkpoints, which are a count and a hash;
//	                                      the right to keep them back, which status
//	                                      says, and to feign a refusal, a false alarm
//
// Overwriting a file destroys its bytes only where the file system writes in
// place: on flash and on copy-on-write the volume must be encrypted as well.
//
// # The ledger
//
// A Merkle log (RFC 6962 section 2.1, golang.org/x/mod/sumdb/tlog). A leaf is a
// few lines of text that name nobody; what can be read beside it lies in rows,
// tied to the leaf by a salted digest, and can be destroyed without hurting the
// tree. A leaf about a recording states digests of its body, of its age header and,
// under a salt that lies in them, of its facts: sealed, waiting, not-recorded, held
// and released each state the facts as they are from then on.
//
//	ledger/leaves             frames: length 4, CRC-32C 4, text; little-endian
//	ledger/index              8 bytes a leaf: where its frame begins; derived
//	ledger/hashes             32 bytes a stored hash, in tlog's order; derived. Nothing
//	                          is signed of either, and no proof leaves that does not
//	                          hold: both are made again from the leaves first
//	ledger/rows/2006-01.jsonl digest, salt and row, one a line; destroyed when they
//	                          are older than [ledger] rows_months, which a leaf says
//	ledger/checkpoint         the newest signed note (C2SP tlog-checkpoint)
//	ledger/checkpoints        those handed out, one each ten minutes and the last of
//	                          each run
//	ledger/signer.key         Ed25519, secret half
//	ledger/verifier.pub       its public half; derived
//	ledger/witnessed          the newest checkpoint that a witness cosigned too
//	                          (C2SP tlog-cosignature)
//	ledger/witness.pub        the witness's key
//	ledger/refused            since when a witness refuses this log, and why; absent
//	                          while none does
//	ledger.damaged-<time>/    a log that did not hold what it once stated, with
//	                          checkpoint.anchored, which lay beside it; status
//	                          warns until it is taken away
//	checkpoint.damaged-<time> one beside the log that was no checkpoint any more
//	checkpoint.missing-<time> a notice that a start missed files that state what the
//	                          log holds; status warns until it is taken away
//
// Verify holds against it what there is: each body, header and original by its
// digest and its place, the facts as they are spelled, the catalogue's rows by the
// facts; what no leaf speaks of, and what is no file of the vault, the originals or
// the tapes, is added. A recording that was destroyed while a hold was in force is
// missing, whatever the catalogue said that night.
//
// The newest checkpoint, the one beside the log and the file of those handed out are
// made before signer.key, which is made before the first leaf, and the newest is
// never written before the first that is kept: no crash leaves a log without them.
// Who takes one away, with leaves or without, is told of by a leaf at the next start
// (checkpoint-missing: which, and how many leaves were found), and that leaf is a
// finding of Verify for ever: whether the log went on behind it nobody can tell any
// more. A restored backup has all three.
//
// Leaves behind the newest checkpoint (10 s, or what a crash left) are not signed yet:
// what is done to them before the next start signs them is found by nothing.
//
// VerifyDir looks at a directory that no daemon has open, and writes nothing: it is
// the evidence. It finds, of index and hashes, what the newest checkpoint covers, and
// not that either is gone, as in a backup; of rows, that they are no rows, or twice,
// or in another order; in ledger/, whatever is not listed here. A row without a leaf
// it only counts: a crash leaves one.
//
// Who cuts leaves and checkpoints back to what they were, puts back an older copy of
// the whole data directory, or has signer.key and signs a log that was cut, is found
// by nothing in it: only a witness, or checkpoints that others hold, tell that.
//
// # A bundle
//
// What WriteBundle hands to a court, and BundleSeal seals: a zip of two files,
// READ-ME.txt and sealed.age, with one spelling, so that no byte of it can be
// another. Sealed is a zip again:
//
//	<ULID>/audio.wav, facts.json     as sealed
//	<ULID>/ledger/17.leaf            a leaf that speaks of it, with
//	<ULID>/ledger/17.tlog-proof      its inclusion proof (C2SP tlog-proof) and
//	<ULID>/ledger/17.row.json        its readable row and salt; without one, where
//	ledger/12.leaf, 12.tlog-proof    a leaf says that its month's were destroyed
//	checkpoint, ledger.pub           the signed tree, and its key
//	witnessed, witness.pub           one that a witness cosigned before, and its key,
//	growth                           and that the signed tree begins with it
//	report.html, READ-ME.txt         for people
//	SHA256SUMS
//
// The leaf of the handing out states the digests of the folder but for its ledger,
// of all files but those that prove themselves, and of the leaves that spoke of the
// recording until then: report and recordings are those that were handed out, none
// of these leaves was taken out, and no file is there that is none of these. Who can
// open a bundle can take out leaves between the report and the handing out, and
// sign everything anew with another key: compare ledger.pub.
//
// # A tape
//
// All integers are little-endian.
//
//	0    8   "SRCTAPE\n"
//	8    4   version, 2
//	12   4   zeros
//	16   44  id, zero-padded
//	60   4   CRC-32C of bytes 0 to 59
//	64   60  the tape's key, sealed with the run key: nonce 12, key 32, tag 16;
//	         additional data: id. From here on zeros while the tape is provisional
//	124  4   CRC-32C of it
//	128  10  the day the recording would die on, and
//	138  2   n, length of
//	140  n   the same key as an age file, sealed to that day's identity
//	140+n 4  CRC-32C from 128 on; zeros behind it
//	4096     frames
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
//	├─ version                               → 4, as varint
//	├─ rows                                  → how many, as varint
//	├─ row / <id>                            → Row, JSON
//	├─ by-time / <point>                     → nothing
//	├─ by-state / <state> 0 <point>          → nothing
//	├─ by-dies / <day> 0 <point>             → nothing
//	├─ by-extension / <extension> 0 <point>  → nothing
//	├─ by-number / <number> 0 <point>        → nothing, for each party
//	├─ by-day-number / <date> <number> 0 <point> → nothing, for each party
//	├─ by-day-number-reversed / <date> <rebmun> 0 <point> → nothing
//	├─ by-day-extension-number / <date> <extension> 0 <number> 0 <point> → nothing,
//	│      for each party but the extension itself
//	├─ by-day-extension-number-reversed / <date> <extension> 0 <rebmun> 0 <point>
//	├─ by-hold / <point>                     → nothing, when it is held
//	└─ by-cs / <session_id> 0 <point>        → nothing, for each CS
//
// A date is that of the start, UTC: days since 1970, 4 bytes, big-endian, sign
// bit flipped. What a part of a number matches is in no order of time but by
// day: the newest day is read and sorted, and the one before it only when that
// was not enough. A search by several things goes through their indexes side by
// side, each leaping over what another has not, and reads the rows it shows.
//
// At Open a catalogue of up to 64 MB is read whole, so that damage is found
// before it is used. Of a larger one the ends of each index are, where the next
// rows go; the rest is read while calls go on, and what is damaged then rebuilt.
//
// It holds nothing that the facts do not hold too, but for the rows of calls
// that are not sealed yet: those have their tapes.
package store
