package main

import (
	"slices"
	"testing"

	"siprecd/cmd/siprecd/config"
	"siprecd/media"
)

func TestListedCodecsAreKnown(t *testing.T) {
	for _, name := range slices.Concat(config.Usual, config.Rare) {
		for _, f := range formatsOf(name) {
			if !media.Understands(f) || media.Outside(f) || listedAs(f) != name {
				t.Errorf("%s is %s", name, listedAs(f))
			}
		}
	}
	for _, name := range config.ByFFmpeg {
		for _, f := range formatsOf(name) {
			if media.Understands(f) || !media.Outside(f) || listedAs(f) != name {
				t.Errorf("%s is %s", name, listedAs(f))
			}
		}
	}
}

func TestWhatIsAccepted(t *testing.T) {
	cfg := &config.Config{Media: config.Media{Codecs: []string{"PCMA", "G726", "AMR"}, WithoutFFmpeg: "refuse"}}
	formats := []media.Format{
		{Name: "PCMA", Clock: 8000}, {Name: "PCMU", Clock: 8000}, {Name: "CN", Clock: 8000}, {Name: "telephone-event", Clock: 8000},
		{Name: "G726-16", Clock: 8000}, {Name: "AAL2-G726-40", Clock: 8000}, {Name: "AMR", Clock: 8000}, {Name: "AMR", Clock: 8000, Fmtp: "interleaving=4"},
		{Name: "AMR-WB", Clock: 16000}, {Name: "X-OWN", Clock: 8000},
	}
	for way, want := range map[string]string{"refuse": "y.yyyy....", "keep": "y.yyyyy..."} {
		cfg.Media.WithoutFFmpeg = way
		got := ""
		for _, f := range formats {
			if accepts(cfg, nil)(f) {
				got += "y"
			} else {
				got += "."
			}
		}
		if got != want {
			t.Errorf("%s: %s, not %s", way, got, want)
		}
	}
}
