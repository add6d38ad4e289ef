package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"siprecd/cmd/siprecd/config"
	"siprecd/media"
)

// ffmpegAnswers is how long the program may take to say what it decodes.
const ffmpegAnswers = 10 * time.Second

// findFFmpeg looks for the program that decodes what is not decoded here; nil:
// there is none.
func findFFmpeg() *media.FFmpeg {
	ctx, cancel := context.WithTimeout(context.Background(), ffmpegAnswers)
	defer cancel()
	x, err := media.FindFFmpeg(ctx, "ffmpeg")
	if err != nil {
		return nil
	}
	return x
}

// listedAs is what [media] codecs calls a format.
func listedAs(f media.Format) string {
	name := media.CodecName(f.Name)
	if _, rate, found := strings.Cut(name, "G726-"); found && rate != "" {
		return "G726"
	}
	return name
}

// accepts tells what lines are accepted with: what the configuration lists, as
// long as it can be heard, now or when there is a decoder. What carries no speech
// comes with any codec.
func accepts(cfg *config.Config, x *media.FFmpeg) func(media.Format) bool {
	keep := cfg.Media.WithoutFFmpeg == "keep"
	return func(f media.Format) bool {
		switch {
		case media.Speechless(f):
			return true
		case !slices.Contains(cfg.Media.Codecs, listedAs(f)):
			return false
		}
		return media.Understands(f) || media.Outside(f) && (keep || x.Decodes(f))
	}
}

// codecWarnings says which of the listed codecs nobody decodes here.
func codecWarnings(cfg *config.Config, x *media.FFmpeg) []string {
	var lacking []string
	for _, name := range cfg.Media.Codecs {
		if slices.Contains(config.ByFFmpeg, name) && !slices.ContainsFunc(formatsOf(name), x.Decodes) {
			lacking = append(lacking, name)
		}
	}
	if len(lacking) == 0 {
		return nil
	}
	fate := "lines in them are refused"
	if cfg.Media.WithoutFFmpeg == "keep" {
		fate = "calls in them wait until there is one"
	}
	return []string{fmt.Sprintf("no ffmpeg that decodes %s: %s (apt install ffmpeg, then siprecd reload)", strings.Join(lacking, ", "), fate)}
}

// formatsOf are the formats that a listed name stands for.
func formatsOf(name string) []media.Format {
	switch name {
	case "G726":
		return []media.Format{{Name: "G726-32", Clock: 8000}}
	case "AMR-WB":
		return []media.Format{{Name: name, Clock: 16000}}
	case "OPUS":
		return []media.Format{{Name: name, Clock: 48000, Channels: 2}}
	}
	return []media.Format{{Name: name, Clock: 8000}}
}
