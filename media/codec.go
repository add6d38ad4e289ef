package media

import (
	"slices"
	"strings"
)

// codec is what the renderer knows of one payload format.
type codec struct {
	name   string   // upper case, as in Format.Name
	also   []string // other names that mean the same
	static []Format // what its static payload types mean (RFC 3551 6)

	content content

	// rate returns the Hz of the decoded audio; 0 when this variant of the
	// format cannot be decoded here, only kept.
	rate func(Format) int

	// units returns how many RTP clock units a payload lasts, whether it can
	// be decoded here or not; 0 when it is no payload of this format.
	units func(f Format, payload []byte) int

	// bytes returns how many bytes a second of audio takes at most; nil: nobody
	// knows.
	bytes func(Format) int

	// open makes a decoder for one sender. nil: there is none here, and outside,
	// where it is not nil either, says how a program decodes it.
	open    func(Format) decoder
	outside *outside

	// rests reports whether the sender says with a payload that it may send
	// nothing for a while. nil: it has no way to.
	rests func(payload []byte) bool

	plain   bool // each payload can be decoded by itself
	silence byte // what fills gaps when payloads are written as they came
	tag     uint16
	encode  func(int16) byte // of formats that have a tag
}

// decoder appends the samples of each payload, in order, to dst: mono, and as
// many as its units say.
type decoder func(dst []int16, payload []byte) []int16

// codecs has a row for each format that is understood here. Whatever is not in
// it is kept on the tape.
var codecs = []codec{
	codecPCMU, codecPCMA, codecG722, codecL16, codecOpus,
	codecG729, codecG7231, codecGSM, codecILBC, codecAMR, codecAMRWB, codecSpeex,
	codecG726At(2), codecG726At(3), codecG726At(4), codecG726At(5),
	codecAAL2At(2), codecAAL2At(3), codecAAL2At(4), codecAAL2At(5),
	codecCN, codecTelephoneEvent, codecRED,
}

// findCodec returns nil for a format that has no row.
func findCodec(name string) *codec {
	for i := range codecs {
		c := &codecs[i]
		if strings.EqualFold(c.name, name) || slices.ContainsFunc(c.also, func(n string) bool { return strings.EqualFold(n, name) }) {
			return c
		}
	}
	return nil
}

// staticFormat returns what a payload type means that nobody announced; false
// for those that a line must announce.
func staticFormat(payloadType uint8) (f Format, ok bool) {
	for i := range codecs {
		for _, f := range codecs[i].static {
			if f.Payload == payloadType {
				return f, true
			}
		}
	}
	return Format{}, false
}

// decodes reports whether payloads of f can be turned into sound here.
func (c *codec) decodes(f Format) bool {
	return c != nil && c.open != nil && c.rate(f) > 0
}

// Understands reports whether payloads of f become sound by what is built in, or
// are understood to be none. Names are compared without regard to case; zero
// channels are one.
func Understands(f Format) bool {
	c := findCodec(f.Name)
	switch {
	case c == nil || f.Clock <= 0 || f.Clock > maxClock:
		return false
	case c.content == noise || c.content == event:
		return true
	}
	return c.decodes(f)
}

// Speechless reports whether a format carries no speech: comfort noise,
// telephone-events.
func Speechless(f Format) bool {
	c := findCodec(f.Name)
	return c != nil && (c.content == noise || c.content == event)
}

// CodecName is the name of a codec in this table, "" when it is not there: "G723"
// for "G723.1".
func CodecName(name string) string {
	if c := findCodec(name); c != nil {
		return c.name
	}
	return ""
}

// Outside reports whether payloads of f become sound where FFmpeg is found, and
// only there.
func Outside(f Format) bool {
	c := findCodec(f.Name)
	return c != nil && c.outside != nil && f.Channels <= 1 && c.rate(f) > 0 && c.rate(f) == f.Clock
}
