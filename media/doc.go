// Package media receives RTP, decides packet by packet what reaches the tape,
// and renders tapes into recordings.
//
// A Path is the way of one recording session's packets from arrival to tape:
// the lock to their source, SRTP, and then, for each recording that is made of
// the session, a Track: which lines it takes, the keys pressed on them, its gate.
// It has no goroutine and takes its time as input, so that a capture drives it
// as a Receiver does. SRTP is ours (srtp_*.go) and not a library's: it allocates
// nothing for forged packets either, finds the rollover counter of a stream
// joined late, and keeps one state for all keys of a line, which a new key in
// mid-call needs.
//
// Where a phone sends no telephone-events, a selective line's sound is listened
// to for keys (tones.go, path_tones.go), 20 ms at a time: the one thing that is
// decoded before a tape is complete.
//
// A Receiver owns the RTP sockets of every live session; an Intake is those of
// one. NewReceiver starts one goroutine a shard, on a thread of its own, which
// drains the sockets of its Intakes every 100 ms and hands a session's packets
// to its Path in order of the kernel's arrival times; Receiver.Close ends and
// awaits them. Where the system has no recvmmsg, and on request, each socket has
// a goroutine instead, begun by AddLine and awaited when its pair's quarantine
// is over or the Receiver closes.
//
// Intake.Secure starts one goroutine a line, which makes keys by DTLS-SRTP and
// ends with the line; CloseLine and Close await it.
//
// What comes is reported on as RFC 3550 asks (report.go): every five seconds a
// receiver report goes from a line's own RTCP port to where its sender's come
// from, encrypted where the media is, and a goodbye when the line closes.
//
// All lines of a call are rendered on one clock: each sender's timestamps by the
// earliest of their arrivals (render_fit.go), which holds but for the time that
// everything of a line was under way; senders' reports of one wall clock say that
// (render_reports.go). Nothing of what a sender states is believed farther than
// that. Where a sender's clock stands for a moment, or its timestamps jump, even by
// less than jitter may be, a new clock begins (render_shifts.go). Senders that speak
// at once on one line are mixed (render_seats.go): G.711 stays bit for bit where one
// of them speaks. What is left out of any is listed as a correction or counted as late.
//
// A Hearing says of a tape that still grows what Measure and WriteTo will say of
// it, but for the sound: levels, losses, clocks, and what is wrong with the call
// (hearing.go). Whoever asks pays for it, about 2.5 µs a packet of G.711; those
// who receive do nothing for it.
//
// Codecs are rows of one table (codec.go), a file each; whoever renders or
// accepts a line asks the table. What is not decoded here is by FFmpeg, where it
// is found (outside*.go): a process a sender, with pipes for files, fed by a
// goroutine that reads the tape for itself; who writes the recording starts both
// at the sender's first payload and awaits them at its end. Where it is not
// found, Facts.Waiting names the codec. Everything decoded is brought to 16 kHz.
// What such codecs send instead of silence is rendered as silence. Three tones,
// encoded by ffmpeg or, where it says so, by others, and rendered here, stand above
// all else by so many dB (make e2e measures them again; Opus at low rates and G.729
// are models of speech, not of tones):
//
//	PCMU                                           37.1
//	PCMA                                           37.4
//	L16 8 kHz                                      85.1
//	L16 16 kHz                                     85.7
//	L16 44.1 kHz                                   84.1
//	L16 44.1 kHz stereo                            81.4
//	L16 48 kHz stereo                              83.4
//	G722                                           34.2
//	G722 by spandsp                                34.2
//	OPUS SILK 8 kbit/s, 40 ms                      10.5
//	OPUS SILK 16 kbit/s, 20 ms                     10.9
//	OPUS SILK 16 kbit/s, 60 ms                     13.8
//	OPUS hybrid 32 kbit/s                          39.4
//	OPUS CELT 64 kbit/s, 20 ms                     44.5
//	OPUS CELT 96 kbit/s, 5 ms                      42.8
//	OPUS CELT 96 kbit/s, 2.5 ms                    42.3
//	OPUS by opusenc, 2.5 ms, 96 kbit/s, mono       37.7
//	OPUS by opusenc, 2.5 ms, 96 kbit/s, stereo     29.4
//	OPUS by opusenc, 5 ms, 96 kbit/s, mono         44.9
//	OPUS by opusenc, 5 ms, 96 kbit/s, stereo       47.6
//	OPUS by opusenc, 10 ms, 64 kbit/s, mono        43.7
//	OPUS by opusenc, 10 ms, 64 kbit/s, stereo      42.7
//	OPUS by opusenc, 10 ms, 24 kbit/s, mono        23.0
//	OPUS by opusenc, 10 ms, 24 kbit/s, stereo      23.0
//	OPUS by opusenc, 20 ms, 64 kbit/s, mono        44.5
//	OPUS by opusenc, 20 ms, 64 kbit/s, stereo      43.8
//	OPUS by opusenc, 20 ms, 16 kbit/s, mono        16.9
//	OPUS by opusenc, 20 ms, 16 kbit/s, stereo      17.5
//	OPUS by opusenc, 40 ms, 16 kbit/s, mono        17.3
//	OPUS by opusenc, 40 ms, 16 kbit/s, stereo      18.2
//	OPUS by opusenc, 60 ms, 16 kbit/s, mono        16.7
//	OPUS by opusenc, 60 ms, 16 kbit/s, stereo      17.4
//	GSM                                            47.8
//	GSM by spandsp                                 47.8
//	G729 by bcg729                                 10.7
//	G723                                           18.5
//	G726-16                                        11.8
//	G726-24                                        18.0
//	G726-32                                        24.3
//	G726-40                                        18.7
//	G726-16 by spandsp                             11.8
//	G726-24 by spandsp                             18.1
//	G726-32 by spandsp                             24.2
//	G726-40 by spandsp                             29.1
//	AAL2-G726-16                                   11.8
//	AAL2-G726-24                                   18.0
//	AAL2-G726-32                                   24.3
//	AAL2-G726-40                                   18.7
//	AAL2-G726-16 by spandsp                        11.8
//	AAL2-G726-24 by spandsp                        18.1
//	AAL2-G726-32 by spandsp                        24.2
//	AAL2-G726-40 by spandsp                        29.1
//	AMR                                            23.9
//	AMR, bandwidth-efficient                       23.9
//	AMR-WB by vo-amrwbenc                          24.6
//	SPEEX 8 kHz                                    26.5
//	SPEEX 16 kHz                                   29.8
//	SPEEX 32 kHz                                   29.6
//
// Nothing that Debian packages encodes iLBC: it was tried on captures, and has no
// figure.
//
// G.722 is the same bit for bit as ffmpeg's and spandsp's, encoded and decoded, and
// G.726 is decoded as spandsp does it. Where a sample goes beyond 16 bits ours stays
// at the end of the scale, while spandsp (0.0.6) lets it wrap around. FFmpeg (5.1)
// encodes and decodes G.726 at 40 kbit/s as if its predictor forgot as fast as at
// the other rates: what it encodes comes out here 10 dB worse than what others do.
// The Opus decoder conceals nothing and uses no forward error correction: what is
// lost is a gap.
//
// For clients and tests, a Sender sends Clips as RTP: one goroutine for any
// number of streams, begun by NewSender and awaited by Close.
package media
