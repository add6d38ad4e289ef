package policy

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestDies(t *testing.T) {
	for _, tc := range []struct {
		end  string
		zone string
		days int
		want string
	}{
		{"2026-11-23T12:00:00+09:00", "Asia/Seoul", 90, "2027-02-22"},
		{"2026-11-23T23:59:59+09:00", "Asia/Seoul", 90, "2027-02-22"},
		{"2026-11-24T00:00:00+09:00", "Asia/Seoul", 90, "2027-02-23"}, // crossed midnight: its end counts
		{"2026-11-23T15:00:00Z", "Asia/Seoul", 90, "2027-02-23"},      // is midnight there
		{"2026-11-23T14:59:59Z", "Asia/Seoul", 90, "2027-02-22"},
		{"2027-11-30T12:00:00+09:00", "Asia/Seoul", 90, "2028-02-29"}, // into a leap day
		{"2027-12-01T12:00:00+09:00", "Asia/Seoul", 90, "2028-03-01"},
		{"2028-02-29T12:00:00+09:00", "Asia/Seoul", 90, "2028-05-30"},
		{"2026-12-31T23:00:00+09:00", "Asia/Seoul", 90, "2027-04-01"}, // over the year's end
		{"2026-11-23T12:00:00+09:00", "Asia/Seoul", 60, "2027-01-23"},
		{"2026-11-23T12:00:00+09:00", "Asia/Seoul", 1095, "2029-11-23"},
		{"2026-11-23T12:00:00+09:00", "Asia/Seoul", 0, "2026-11-24"},
		{"2026-03-08T01:30:00-05:00", "America/New_York", 1, "2026-03-10"}, // a day of 23 hours
		{"2026-11-01T01:30:00-05:00", "America/New_York", 1, "2026-11-03"}, // and of 25
		{"2026-12-31T23:59:59+09:00", "Asia/Seoul", 90, "2027-04-01"},
		{"2027-01-01T00:00:00+09:00", "Asia/Seoul", 90, "2027-04-02"}, // began last year
		{"2027-12-31T12:00:00+09:00", "Asia/Seoul", 60, "2028-03-01"}, // over a leap day
		{"2026-12-31T12:00:00+09:00", "Asia/Seoul", 60, "2027-03-02"}, // and not
		{"2028-02-28T23:59:59+09:00", "Asia/Seoul", 1, "2028-03-01"},
		{"2099-12-31T12:00:00+09:00", "Asia/Seoul", 60, "2100-03-02"}, // a hundredth year has no leap day
		{"2026-11-28T12:00:00+09:00", "Asia/Seoul", 90, "2027-02-27"}, // a Saturday: no day is moved
		{"2026-11-09T12:00:00+09:00", "Asia/Seoul", 90, "2027-02-08"}, // a holiday likewise
		{"2027-03-01T12:00:00+09:00", "Asia/Seoul", 1095, "2030-03-01"},
		{"2028-02-29T12:00:00+09:00", "Asia/Seoul", 1095, "2031-03-01"},
		{"2026-11-23T12:00:00+09:00", "Asia/Seoul", 3660, "2036-12-01"},
		{"2026-11-23T23:30:00+09:00", "UTC", 90, "2027-02-22"},              // the site's day counts, not the SRC's
		{"2026-11-23T23:30:00+09:00", "America/New_York", 90, "2027-02-22"}, // there it is the morning
		{"2026-11-24T08:30:00+09:00", "America/New_York", 90, "2027-02-22"},
		{"2026-11-23T12:00:00Z", "Pacific/Kiritimati", 90, "2027-02-23"},   // UTC+14
		{"2026-11-23T12:00:00Z", "Etc/GMT+12", 90, "2027-02-22"},           // UTC-12
		{"2026-03-29T00:59:59Z", "Europe/Berlin", 90, "2026-06-28"},        // a second before summer time
		{"2026-03-29T01:00:00Z", "Europe/Berlin", 90, "2026-06-28"},        // and its first
		{"2026-03-28T23:00:00Z", "Europe/Berlin", 90, "2026-06-28"},        // midnight still in winter time
		{"2026-10-24T21:59:59Z", "Europe/Berlin", 90, "2027-01-23"},        // midnight still in summer time
		{"2026-10-25T22:59:59Z", "Europe/Berlin", 90, "2027-01-24"},        // the end of a day of 25 hours
		{"2026-09-05T12:00:00-04:00", "America/Santiago", 0, "2026-09-06"}, // a day that has no midnight
		{"2011-12-29T23:00:00-10:00", "Pacific/Apia", 0, "2011-12-30"},     // a date that the zone left out
	} {
		end, err := time.Parse(time.RFC3339, tc.end)
		if err != nil {
			t.Fatal(err)
		}
		if got := Dies(end, tc.days, zone(t, tc.zone)); got != tc.want {
			t.Errorf("%s in %s, %d days: dies %s, want %s", tc.end, tc.zone, tc.days, got, tc.want)
		}
	}
}

func TestNoRecordingDiesEarlyOrLate(t *testing.T) {
	seoul := zone(t, "Asia/Seoul")
	rapid.Check(t, func(rt *rapid.T) {
		end := time.Unix(rapid.Int64Range(1.7e9, 2.2e9).Draw(rt, "end"), 0)
		days := rapid.IntRange(0, 2000).Draw(rt, "days")
		dead, err := time.ParseInLocation(time.DateOnly, Dies(end, days, seoul), seoul)
		if err != nil {
			rt.Fatal(err)
		}
		// Whole days lie between the end of the day of the end and death.
		lived := dead.Sub(end)
		if lived <= time.Duration(days)*24*time.Hour || lived > time.Duration(days+1)*24*time.Hour {
			rt.Errorf("a recording of %v with %d days lives %v", end, days, lived)
		}
	})
}

// site is two years of nights: every day has keys until it dies.
type site struct {
	clock Clock
	days  []string
}

func (s *site) night() Night {
	n := PlanNight(s.days, s.clock)
	s.days = slices.DeleteFunc(s.days, func(d string) bool { return slices.Contains(n.Destroy, d) })
	return n
}

func dates(from time.Time, n int) (days []string) {
	for i := range n {
		days = append(days, from.AddDate(0, 0, i).Format(time.DateOnly))
	}
	return days
}

func TestTwoYearsOfNights(t *testing.T) {
	seoul := zone(t, "Asia/Seoul")
	start := time.Date(2026, 11, 23, 0, 5, 0, 0, seoul)
	for name, proofs := range map[string][]Proof{
		"proved":   {{Name: "ntp"}, {Name: "src sbc-1", Error: 2 * time.Second}},
		"unproved": nil,
		"one":      {{Name: "ntp"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := site{clock: Clock{Zone: seoul, Proofs: proofs, Ran: 24 * time.Hour}, days: dates(start, 731)}
			for i := range 731 {
				s.clock.Wall = start.AddDate(0, 0, i)
				s.clock.Newest = s.clock.Wall.Add(-time.Minute)
				today := s.clock.Wall.Format(time.DateOnly)
				n := s.night()
				if !slices.Equal(n.Destroy, []string{today}) || n.Doubt {
					t.Fatalf("night of %s: %+v", today, n)
				}
			}
			if len(s.days) != 0 {
				t.Errorf("%d days are left", len(s.days))
			}
		})
	}
}

func TestMissedNightsAreMadeUpInOrder(t *testing.T) {
	seoul := zone(t, "Asia/Seoul")
	wall := time.Date(2027, 3, 1, 0, 5, 0, 0, seoul)
	due := dates(wall.AddDate(0, 0, -4), 5)
	proved := []Proof{{Name: "ntp"}, {Name: "witness"}}
	s := site{clock: Clock{Wall: wall, Zone: seoul, Proofs: proved}, days: append(slices.Clone(due), "2027-03-02")}
	if n := s.night(); !slices.Equal(n.Destroy, due) || !slices.Equal(s.days, []string{"2027-03-02"}) {
		t.Errorf("%+v, left %v", n, s.days)
	}
}

// TestAClockInDoubtKeeps is the matrix of clocks that are wrong.
func TestAClockInDoubtKeeps(t *testing.T) {
	seoul := zone(t, "Asia/Seoul")
	wall := time.Date(2027, 3, 1, 0, 5, 0, 0, seoul)
	many := dates(wall.AddDate(0, 0, -99), 100) // what a jump of 100 days would make due
	for _, tc := range []struct {
		name   string
		clock  Clock
		kills  int
		doubts bool
	}{
		{"jumped ahead, just started", Clock{}, 0, true},
		{"jumped ahead, has run a day", Clock{Ran: 24 * time.Hour}, 1, true},
		{"jumped ahead, other clocks say so", Clock{Ran: 99 * time.Hour, Proofs: []Proof{{"ntp", 2400 * time.Hour}, {"src sbc-1", 2400 * time.Hour}}}, 0, true},
		{"one for it, one against", Clock{Ran: time.Hour, Proofs: []Proof{{"ntp", 0}, {"src sbc-1", 2400 * time.Hour}}}, 0, true},
		{"two for it, one against", Clock{Proofs: []Proof{{"ntp", 0}, {"witness", time.Second}, {"src sbc-1", -9 * time.Hour}}}, 100, false},
		{"two for it, two against", Clock{Ran: 99 * time.Hour, Proofs: []Proof{{"ntp", 0}, {"witness", 0}, {"src sbc-1", 2400 * time.Hour}, {"src sbc-2", 2400 * time.Hour}}}, 0, true},
		{"one for it, one against, has run a day", Clock{Ran: 99 * time.Hour, Proofs: []Proof{{"ntp", 0}, {"src sbc-1", 2400 * time.Hour}}}, 0, true},
		{"jumped while it ran", Clock{Ran: 99 * time.Hour, Jumped: 2400 * time.Hour}, 0, true},
		{"jumped while it ran, one agrees", Clock{Ran: 99 * time.Hour, Jumped: 2400 * time.Hour, Proofs: []Proof{{"ntp", 0}}}, 0, true},
		{"jumped while it ran, two agree", Clock{Jumped: 2400 * time.Hour, Proofs: []Proof{{"ntp", 0}, {"src sbc-1", 0}}}, 100, false},
		{"slewed while it ran", Clock{Ran: 24 * time.Hour, Jumped: time.Minute}, 1, true},
		{"jumped while it was off", Clock{Ran: 99 * time.Hour, Away: 2400 * time.Hour, Proofs: []Proof{{"ntp", 0}}}, 0, true},
		{"was off for a night", Clock{Ran: 24 * time.Hour, Away: 12 * time.Hour}, 1, true},
		{"was off for a week, confirmed", Clock{Away: 168 * time.Hour, Confirmed: "2027-03-01"}, 100, false},
		{"went back", Clock{Ran: 99 * time.Hour, Newest: wall.AddDate(0, 0, 3), Proofs: []Proof{{"ntp", 0}, {"witness", 0}}}, 0, true},
		{"confirmed by an administrator", Clock{Confirmed: "2027-02-10"}, 81, true},
		{"confirmed, and has run a day", Clock{Confirmed: "2027-03-01", Ran: 24 * time.Hour}, 100, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := tc.clock
			c.Wall, c.Zone = wall, seoul
			n := PlanNight(many, c)
			if len(n.Destroy) != tc.kills || n.Doubt != tc.doubts || len(n.Destroy)+len(n.Wait) != 100 {
				t.Errorf("destroys %d, keeps %d, doubt %v (%s)", len(n.Destroy), len(n.Wait), n.Doubt, n.Why)
			}
			if !slices.Equal(n.Destroy, many[:tc.kills]) {
				t.Errorf("not the oldest first: %v", n.Destroy)
			}
			if len(n.Wait) > 0 && n.Why == "" {
				t.Error("it does not say why")
			}
		})
	}
}

func ExampleProof() {
	fmt.Println(Proof{Name: "ntp"})
	fmt.Println(Proof{Name: "src sbc-1", Error: 9 * time.Hour})
	fmt.Println(Proof{Name: "src sbc-2", Error: -time.Hour})
	// Output:
	// ntp agrees
	// src sbc-1 is 9h0m0s behind this machine's clock
	// src sbc-2 is 1h0m0s ahead of this machine's clock
}

func ExampleDies() {
	seoul := time.FixedZone("KST", 9*3600)
	fmt.Println(Dies(time.Date(2026, 11, 23, 18, 0, 0, 0, seoul), DefaultDays, seoul))
	// Output: 2027-02-22
}
