package main

import (
	"encoding/json"
	"net/http/httptest"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"siprecd/cmd/siprecd/config"
	"siprecd/policy"
	"siprecd/sip"
	"siprecd/store"
)

// heardAt is a source whose Date said date at that moment.
func heardAt(name, from string, date, at time.Time) sip.SourceStats {
	return sip.SourceStats{Name: name, Clock: sip.ClockReading{Date: date, Heard: at, From: netip.MustParseAddr(from)}}
}

func TestDateIsTakenForwardAndAges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listed := []config.Source{{Name: "sbc", Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}}
		begun := time.Now()
		heard := []sip.SourceStats{heardAt("sbc", "192.0.2.1", begun.Add(-time.Hour).UTC(), begun)}
		for range 24 {
			time.Sleep(time.Hour)
			got := srcClocks(listed, heard, time.Now(), time.Since)
			if want := []policy.Proof{{Name: "src sbc", Error: time.Hour}}; !slices.Equal(got, want) {
				t.Errorf("after %v: %v", time.Since(begun), got)
			}
		}
		time.Sleep(time.Second)
		if got := srcClocks(listed, heard, time.Now(), time.Since); len(got) != 0 {
			t.Errorf("after %v: %v", time.Since(begun), got)
		}
	})
}

// A clock that jumps after the Date came is not proved by it.
func TestJumpAfterTheDateShows(t *testing.T) {
	listed := []config.Source{{Name: "sbc", Addresses: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}}}
	then := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	heard := []sip.SourceStats{heardAt("sbc", "192.0.2.1", then, then)}
	ran := func(time.Time) time.Duration { return time.Hour }
	got := srcClocks(listed, heard, then.AddDate(0, 0, 100).Add(time.Hour), ran)
	if want := []policy.Proof{{Name: "src sbc", Error: 2400 * time.Hour}}; !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

func TestWhoseDateProvesNothing(t *testing.T) {
	now := time.Now()
	one, all := netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("::/0")
	listed := []config.Source{
		{Name: "sbc", Addresses: []netip.Prefix{one}},
		{Name: "twin", Addresses: []netip.Prefix{one}, User: "twin"},
		{Name: "anybody", Addresses: []netip.Prefix{one, all}},
		{Name: "account", Addresses: []netip.Prefix{all}, User: "account"},
		{Name: "quiet", Addresses: []netip.Prefix{one}},
	}
	heard := []sip.SourceStats{
		heardAt("sbc", "192.0.2.1", now, now.Add(-time.Minute)),
		heardAt("twin", "192.0.2.1", now.Add(-time.Second), now.Add(-time.Second)), // the same machine, heard later
		heardAt("anybody", "192.0.2.3", now, now),
		heardAt("account", "192.0.2.4", now, now),
		heardAt("192.0.2.5", "192.0.2.5", now, now), // a stranger, or one that the configuration no longer lists
		{Name: "quiet"},
	}
	var names []string
	for _, p := range srcClocks(listed, heard, now, func(at time.Time) time.Duration { return now.Sub(at) }) {
		names = append(names, p.Name)
	}
	if want := []string{"src account", "src twin"}; !slices.Equal(names, want) {
		t.Errorf("%q", names)
	}
}

// The plan shows what the clock of a source says that was heard in a call.
func TestPlanShowsTheClocks(t *testing.T) {
	d := plainDaemon(t, "[[src]]\nname = \"pbx\"\naddresses = [\"127.0.0.1\"]\n")
	defer d.stop(t.Context())
	caller := &sip.Caller{}
	if err := caller.Start(); err != nil {
		t.Fatal(err)
	}
	defer caller.Close()
	slow := time.Now().UTC().Add(-9 * time.Hour).Format("Mon, 02 Jan 2006 15:04:05 GMT")
	out, err := caller.Invite(t.Context(), sip.Invitation{
		Target: "sip:" + d.sip.Addr(0).String(), Headers: []sip.Header{{Name: "Date", Value: slow}},
		Lines: []sip.Line{{Addr: netip.MustParseAddrPort("127.0.0.1:40000"), Label: "1"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := out.Bye(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	d.control.Handler.ServeHTTP(w, httptest.NewRequest("GET", "/retention?days=1", nil))
	var plan retentionPlan
	if err := json.Unmarshal(w.Body.Bytes(), &plan); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	i := slices.IndexFunc(plan.Clocks, func(c otherClock) bool { return c.Name == "src pbx" })
	if i < 0 || plan.Clocks[i].Agrees || plan.Proved || plan.Why == "" {
		t.Fatalf("%+v", plan)
	}
	if got := plan.Clocks[i].says(); got != "9h0m0s behind this machine's clock" && got != "9h0m1s behind this machine's clock" {
		t.Errorf("%q", got)
	}
	if w := d.keeper.warning(); w == "" {
		t.Error("status says nothing of it")
	}
}

// TestJumpWhileItRuns moves the clock on by 100 days.
func TestJumpWhileItRuns(t *testing.T) {
	s, _ := emptyStore(t)
	cfg, problems := config.Load("")
	if cfg == nil {
		t.Fatal(problems)
	}
	begin := time.Now()
	ran, jumped := time.Duration(0), time.Duration(0)
	var proofs []policy.Proof
	k := &keeper{
		store: s, config: func() *config.Config { return cfg }, proofs: func() []policy.Proof { return proofs },
		now: func() time.Time { return begin.Add(ran + jumped) }, running: func() time.Duration { return ran },
		failed: func(what string, err error) { t.Errorf("%s: %v", what, err) },
	}
	for _, days := range []int{0, 99} {
		if _, err := s.Keys.Recipient(store.Day(begin.AddDate(0, 0, days+1).In(cfg.Site.TimeZone).Format(time.DateOnly))); err != nil {
			t.Fatal(err)
		}
	}
	night := func(want int, why string) {
		t.Helper()
		deaths, err := k.night(t.Context())
		if err != nil || len(deaths) != want {
			t.Errorf("%s: %d days died, %v: %s", why, len(deaths), err, k.warning())
		}
	}
	night(0, "nothing is due")
	ran += 25 * time.Hour
	night(1, "a day has passed")
	jumped = 100 * 24 * time.Hour
	ran += 25 * time.Hour
	night(0, "the clock jumped")
	proofs = []policy.Proof{{Name: "ntp"}}
	night(0, "one other clock agrees")
	proofs = append(proofs, policy.Proof{Name: "src sbc"})
	night(1, "two agree")
	proofs = nil
	if w := k.warning(); w != "" {
		t.Error(w)
	}
	night(0, "nothing is left")
	if w := k.warning(); w != "" {
		t.Errorf("it was proved, and is in doubt again: %s", w)
	}
	jumped += 100 * 24 * time.Hour
	night(0, "it jumped again")
	if k.warning() == "" {
		t.Error("a clock that jumped is no alarm")
	}
	if err := k.confirm(k.today()); err != nil {
		t.Fatal(err)
	}
	night(0, "an administrator confirmed it")
	if w := k.warning(); w != "" {
		t.Error(w)
	}
}
