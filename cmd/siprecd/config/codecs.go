package config

import (
	"slices"
	"strings"
)

// The codecs that [media] codecs may list: Usual are accepted where it lists none,
// Rare are built in too. "G726" stands for its four rates, in both packings.
var (
	Usual    = []string{"PCMU", "PCMA", "G722", "L16", "OPUS"}
	Rare     = []string{"G726"}
	ByFFmpeg = []string{"G729", "G723", "GSM", "ILBC", "AMR", "AMR-WB", "SPEEX"}
)

// checkFormats reads what is accepted.
func (s *site) checkFormats(c *Config) {
	d := s.doc.Media
	c.Media.Codecs, c.Media.WithoutFFmpeg = Usual, "refuse"
	if d.Codecs != nil {
		c.Media.Codecs = s.checkCodecs(*d.Codecs)
	}
	if choices := []string{"refuse", "keep"}; d.WithoutFFmpeg != nil && !slices.Contains(choices, *d.WithoutFFmpeg) {
		s.error(codeChoice, s.value("media.codecs_without_ffmpeg", *d.WithoutFFmpeg), *d.WithoutFFmpeg, "codecs_without_ffmpeg").meant(*d.WithoutFFmpeg, choices)
	} else if d.WithoutFFmpeg != nil {
		c.Media.WithoutFFmpeg = *d.WithoutFFmpeg
	}
}

// checkCodecs returns the names in upper case; at least one of them must be known.
func (s *site) checkCodecs(given []string) (names []string) {
	known := slices.Concat(Usual, Rare, ByFFmpeg)
	for _, name := range given {
		upper := strings.ToUpper(strings.TrimSpace(name))
		switch {
		case !slices.Contains(known, upper):
			s.error(codeChoice, s.value("media.codecs", name), name, "codecs").meant(upper, known)
		case slices.Contains(names, upper):
			s.error(codeTwice, s.value("media.codecs", name), name)
		default:
			names = append(names, upper)
		}
	}
	if len(given) == 0 {
		s.error(codeNeeds, s.keys["media.codecs"], "[media] codecs", "PCMU, PCMA")
	}
	return names
}
