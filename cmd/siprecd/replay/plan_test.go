package replay

import (
	"os"
	"testing"
	"time"
)

const samples = "../../../testdata/rtp/"

func survey1(t *testing.T, file string) *Plan {
	t.Helper()
	f, err := os.Open(samples + file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	plan, err := Survey(f, nil)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func TestPlanOfRecordingSession(t *testing.T) {
	plan := survey1(t, "opensips-call.pcap")
	if len(plan.Sessions) != 1 || plan.Forked || len(plan.Notes) != 0 {
		t.Fatalf("%d sessions, forked %v, %q", len(plan.Sessions), plan.Forked, plan.Notes)
	}
	s := plan.Sessions[0]
	if s.Side != "src" || s.Reason != "bye" || len(s.Notes) != 0 {
		t.Errorf("ended %s: %s, %q", s.Side, s.Reason, s.Notes)
	}
	if d := s.End.Sub(s.Info.Arrived); d != 12505054*time.Microsecond {
		t.Errorf("%v long", d)
	}
	if len(s.Offers) != 1 || len(s.Offers[0].Media.Lines) != 2 || len(s.Offers[0].Metadata) != 1 {
		t.Fatalf("%d offers: %+v", len(s.Offers), s.Offers[0].Offer)
	}
	for i, want := range []string{"127.0.0.1:41000", "127.0.0.1:41002"} {
		if p := s.Offers[0].Places[i]; len(p.To) != 1 || p.To[0].String() != want {
			t.Errorf("line %d goes to %v, want %s", i, p.To, want)
		}
	}
	if len(plan.Flows) != 6 {
		t.Errorf("%d flows: %v", len(plan.Flows), plan.Flows)
	}
}

func TestPlanOfReInvites(t *testing.T) {
	plan := survey1(t, "opensips-pause-resume.pcap")
	if len(plan.Sessions) != 1 {
		t.Fatalf("%d sessions", len(plan.Sessions))
	}
	s := plan.Sessions[0]
	if len(s.Offers) != 3 || len(s.Notes) != 0 {
		t.Fatalf("%d offers, %q", len(s.Offers), s.Notes)
	}
	for i, want := range []time.Duration{0, 3007278 * time.Microsecond, 6012889 * time.Microsecond} {
		if got := s.Offers[i].At.Sub(s.Info.Arrived); got != want {
			t.Errorf("offer %d after %v, want %v", i, got, want)
		}
		if !samePlaces(s.Offers[i].Places, s.Offers[0].Places) {
			t.Errorf("offer %d moves the media", i)
		}
	}
}
