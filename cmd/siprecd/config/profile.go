package config

import (
	"slices"
	"strings"
)

// Profiles are how a source may tell what it sends. All but the first are not
// SIPREC: plain SDP with a header that names the party of each line, and a dialog
// of its own for each party of a call.
var Profiles = []string{ProfileSIPREC, ProfileParticipantHeader, ProfileLegPerDialog}

// The values of [[src]] profile.
const (
	ProfileSIPREC            = "siprec"
	ProfileParticipantHeader = "participant-header"
	ProfileLegPerDialog      = "leg-per-dialog"
)

// checkProfile reads how a source tells what it sends.
func (s *site) checkProfile(key string, t sourceTable, src *Source) {
	src.Profile = ProfileSIPREC
	if t.Profile != nil && !slices.Contains(Profiles, *t.Profile) {
		s.error(codeChoice, s.value(key+".profile", *t.Profile), *t.Profile, "profile").meant(*t.Profile, Profiles)
		return
	}
	if t.Profile != nil {
		src.Profile = *t.Profile
	}
	header := t.ParticipantHeader
	switch at := s.value(key+".participant_header", header); {
	case header == "":
	case !isHeaderName(header):
		s.error(codeHeader, at, header)
	case src.Profile != ProfileParticipantHeader:
		s.needs(at, "participant_header", `profile = "`+ProfileParticipantHeader+`"`)
	default:
		src.PartyHeader = header
	}
}

func isHeaderName(name string) bool {
	return strings.Trim(name, "-") == name && strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}
