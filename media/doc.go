// Package media receives RTP, decides packet by packet what reaches the tape,
// and renders tapes into recordings.
package media
