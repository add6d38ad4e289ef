package media

import (
	"iter"
	"strings"
)

// codecILBC is iLBC in frames of 20 ms, 38 bytes, or of 30 ms, 50 bytes: the
// mode of its fmtp, 30 where none is given (RFC 3952 3, 4.1).
var codecILBC = codec{
	name:  "ILBC",
	rate:  at(8000),
	bytes: func(Format) int { return 1900 },
	outside: &outside{
		decoder: "ilbc", input: options("ilbc"), twice: true,
		head: func(f Format) []byte {
			if shortILBC(f) {
				return []byte("#!iLBC20\n")
			}
			return []byte("#!iLBC30\n")
		},
		samples: func(f Format) int {
			if shortILBC(f) {
				return 160
			}
			return 240
		},
		frames: func(f Format, payload []byte) iter.Seq[[]byte] {
			if shortILBC(f) {
				return equal(payload, 38)
			}
			return equal(payload, 50)
		},
	},
}

func shortILBC(f Format) bool { return parameter(f.Fmtp, "mode") == "20" }

// parameter returns the value of a format parameter (RFC 4855 3), "" when it is
// not there.
func parameter(fmtp, name string) string {
	for p := range strings.SplitSeq(fmtp, ";") {
		key, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		if strings.EqualFold(strings.TrimSpace(key), name) {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
