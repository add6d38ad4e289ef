package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"siprecd/cmd/siprecd/config"
	"siprecd/cmd/siprecd/recorder"
	"siprecd/media"
	"siprecd/policy"
	"siprecd/sip"
	"siprecd/store"
)

// settingsOf is what the recorder needs of a configuration, where x decodes what
// is not decoded here.
func settingsOf(cfg *config.Config, x *media.FFmpeg) *recorder.Settings {
	s := &recorder.Settings{
		Accepts: accepts(cfg, x), FFmpeg: x,
		Rules: cfg.Rules, CountryCode: cfg.Site.CountryCode, Address: cfg.Media.Address,
		Sources: make(map[string]recorder.Source), DeafToTones: !cfg.Keys.InBand, Originals: cfg.Data.Originals,
		Dies: func(extension string, end time.Time) store.Day {
			return store.Day(policy.Dies(end, cfg.Retention.DaysFor(extension), cfg.Site.TimeZone))
		},
	}
	for _, src := range cfg.Sources {
		s.Sources[src.Name] = recorder.Source{
			Location: src.TimeZone, Latch: src.NAT, Encryption: encryptions[src.Media], Profile: profiles[src.Profile],
		}
	}
	return s
}

// encryptions are the values of media in [[src]]; without the key it is either.
var encryptions = map[string]recorder.Encryption{
	"srtp": recorder.OnlySRTP, "rtp": recorder.OnlyRTP, "either": recorder.EitherWay,
}

// profiles are the values of profile in [[src]].
var profiles = map[string]recorder.Profile{
	config.ProfileSIPREC: recorder.SIPREC, config.ProfileParticipantHeader: recorder.ParticipantHeader,
	config.ProfileLegPerDialog: recorder.LegPerDialog,
}

// sourcesOf is what the SIP server needs of it.
func sourcesOf(cfg *config.Config) []sip.Source {
	var list []sip.Source
	for _, src := range cfg.Sources {
		s := sip.Source{Name: src.Name, Networks: src.Addresses, Location: src.TimeZone, PartyHeader: src.PartyHeader}
		if src.Cert != "" {
			s.CertSANs = []string{src.Cert}
		}
		if src.User != "" {
			s.Digest = &sip.Digest{Realm: "siprecd", User: src.User, Password: src.Password}
		}
		list = append(list, s)
	}
	return list
}

// listeners are the sockets a configuration asks for.
func listeners(c config.SIP) ([]sip.Listener, error) {
	var list []sip.Listener
	for _, l := range c.Listen {
		s := sip.Listener{Network: l.Network, Address: l.Addr.String()}
		if l.Network == "tls" {
			t, err := tlsConfig(c)
			if err != nil {
				return nil, err
			}
			s.TLS = t
		}
		list = append(list, s)
	}
	return list, nil
}

func tlsConfig(c config.SIP) (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(c.Cert, c.Key)
	if err != nil {
		return nil, fmt.Errorf("[sip] cert and key: %w", err)
	}
	t := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	if c.ClientCA == "" {
		return t, nil
	}
	pem, err := os.ReadFile(c.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("[sip] client_ca: %w", err)
	}
	t.ClientCAs = x509.NewCertPool()
	if !t.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("[sip] client_ca: %s holds no PEM certificate", c.ClientCA)
	}
	t.ClientAuth = tls.RequireAndVerifyClientCert
	return t, nil
}

func logHandler(format string, level slog.Leveler, w io.Writer) slog.Handler {
	if w == nil {
		w = os.Stderr
	}
	o := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.NewJSONHandler(w, o)
	}
	return slog.NewTextHandler(w, o)
}

// summary is the policy in force in one line.
func summary(cfg *config.Config) string {
	if cfg.Extensions == "" {
		return fmt.Sprintf("every extension %s (no extensions.toml)", cfg.Default.Mode)
	}
	count := make(map[string]int)
	for _, r := range cfg.Lines {
		count[r.Mode.String()]++
	}
	return fmt.Sprintf("%s: %d full, %d selective, %d off; all others %s",
		cfg.Extensions, count["full"], count["selective"], count["off"], cfg.Default.Mode)
}

// printed is every problem as `siprecd check` prints it.
func printed(problems []config.Problem) string {
	var b strings.Builder
	for _, p := range problems {
		fmt.Fprintln(&b, p.In(config.LanguageOf(os.Getenv)))
	}
	return b.String()
}
