package sip

import (
	"strconv"
	"strings"
)

// codecs reads the formats of an RTP line with their rtpmap and fmtp.
func (r *sdpReader) codecs(l *Line, attributes []string) {
	if !strings.Contains(strings.ToUpper(l.Proto), "RTP/") {
		return
	}
	mapped, params := map[uint8]string{}, map[uint8]string{}
	for _, a := range attributes {
		name, value, _ := strings.Cut(a, ":")
		into := mapped
		switch name {
		case "rtpmap":
		case "fmtp":
			into = params
		default:
			continue
		}
		number, text, _ := strings.Cut(strings.ReplaceAll(value, "\t", " "), " ")
		if payload, ok := payloadNumber(number); ok {
			if _, twice := into[payload]; !twice {
				into[payload] = strings.TrimSpace(text)
			}
		}
	}
	for i := range l.formats {
		f := &l.formats[i]
		payload, ok := payloadNumber(f.listed)
		if !ok {
			r.note("m-line %d: format %q is no payload number: not used", l.Index+1, brief(f.listed))
			continue
		}
		codec, name, ok := readMapping(mapped[payload])
		if !ok {
			if codec, ok = staticCodecs[payload]; !ok {
				r.note("m-line %d: payload %d has no usable rtpmap: not used", l.Index+1, payload)
				continue
			}
		}
		f.name = name
		codec.Payload, codec.Fmtp = payload, params[payload]
		l.Codecs = append(l.Codecs, codec)
	}
}

// readMapping reads "opus/48000/2" (RFC 8866 section 6.6), blanks and what
// follows the numbers passed over. name is the encoding's as spelled.
func readMapping(s string) (c Codec, name string, ok bool) {
	name, rest, _ := strings.Cut(strings.Join(strings.Fields(s), ""), "/")
	clock, channels, _ := strings.Cut(rest, "/")
	c = Codec{Name: strings.ToUpper(name), Channels: 1}
	c.Clock = leadingNumber(clock)
	if n := leadingNumber(channels); n >= 1 && n <= 255 {
		c.Channels = n
	}
	if !isToken(name) || c.Clock < 1 || c.Clock > maxClock {
		return Codec{}, "", false
	}
	return c, name, true
}

func payloadNumber(s string) (uint8, bool) {
	n, err := strconv.ParseUint(s, 10, 7)
	return uint8(n), err == nil
}
