// Package policy is the recording regulation as pure functions: who is
// recorded, from when, and why. It reads no clock, no file and no socket, and
// starts no goroutine.
//
// [New] compiles the lines of extensions.toml ([Rule]) and what the house has
// in common ([Site]) into [Rules], which never change afterwards and may be
// used from everywhere at once. [Rules.Decide] turns the [Facts] of a call
// into a [Decision]. [Normalize] is how two spellings of one number become
// equal.
//
// # Which line holds
//
// An exact number before a range, a range before a prefix; of two ranges the
// one that covers fewer numbers, of two prefixes the longer one. Two lines of
// equal rank that match one number are a tie, and rules with a tie are
// refused. The order of the lines never matters.
//
// # Which party is ours
//
//	[site] numbers given   the parties they match; when none does, the call is
//	                       not ours and is not recorded
//	lines, no numbers      the parties that a line names
//	neither tells          the party that was decided before, if still present;
//	                       else the first in label order, with a note
//
// Of several parties of ours the strictest line wins: full over selective over
// off. A party whose address says nothing (no user part, "anonymous", a name
// without digits that no line knows) is a placeholder: while one is present
// and nobody of ours is, the decision is the default and not [Decision.Known].
//
// # When a day dies
//
// [PlanNight] lets a day die that is over, if the [Clock] can be believed. Two
// clocks that are not this machine's prove it when they agree with it: what is
// at stake is every recording, and whoever moves this machine's clock, by an NTP
// answer that nobody signed say, should need a second and different thing. What
// may be a [Proof] is decided where it is read, and a forger is the measure:
//
//	one false clock that agrees      the clock is not proved; a day for each 20 h
//	                                 dies, and none when it jumped while it ran
//	one false clock that does not    nights wait, with an alarm, until two others
//	                                 outvote it or an administrator confirms
//	two false clocks that agree      with a clock that is moved as well, recordings
//	                                 die early: nothing here can tell
//
// A jump before the start is not told from an outage, so an outage of more than
// 20 h waits too. A second start ends that suspicion; a day for each 20 h is then
// the most that is lost until somebody reads the alarm.
//
// What it is not: it applies nothing. The gate, the tape and the keys pressed
// are the recorder's.
package policy
