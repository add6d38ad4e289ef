package media

// codec turns the payloads of one payload format name into samples.
type codec struct {
	name string // upper case, as in Format.Name

	// rate returns the Hz of the decoded audio, 8,000 or 16,000; 0 when this
	// variant of the format cannot be decoded.
	rate func(Format) int

	// units returns how many RTP clock units a payload lasts.
	units func(f Format, payload []byte) int

	// open makes a decoder for one stream: it appends the samples of each
	// payload, in order, to dst.
	open func(Format) func(dst []int16, payload []byte) []int16

	plain   bool // each payload can be decoded by itself
	silence byte // what fills gaps when payloads are written as they came
	tag     uint16
}

// decodable returns the codecs built in, one file each.
func decodable() []codec {
	return []codec{codecPCMU(), codecPCMA(), codecL16()}
}

// findCodec returns nil when f cannot be decoded.
func findCodec(f Format) *codec {
	for _, c := range decodable() {
		if c.name == f.Name && c.rate(f) > 0 {
			return &c
		}
	}
	return nil
}

// Renders reports whether payloads of f become sound, or are understood to be
// none: what a line may be accepted with.
func Renders(f Format) bool {
	switch f.Name {
	case "CN", "TELEPHONE-EVENT":
		return true
	}
	return findCodec(f) != nil
}

// staticName is what a payload type is that nobody announced (RFC 3551 section
// 6; 19 was comfort noise before it was 13); "" for those that a line must
// announce. Their clocks are all of 8,000 Hz.
func staticName(payloadType uint8) string {
	switch payloadType {
	case 0:
		return "PCMU"
	case 8:
		return "PCMA"
	case 9:
		return "G722"
	case 13, 19:
		return "CN"
	case 18:
		return "G729"
	}
	return ""
}
