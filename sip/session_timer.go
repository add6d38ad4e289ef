package sip

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

const (
	minSession     = 90 * time.Second // RFC 4028 section 4: never less
	defaultSession = 30 * time.Minute
)

// sessionTimer is the agreement of RFC 4028; its zero value is none.
type sessionTimer struct {
	interval time.Duration
	ours     bool // we refresh
	refresh  time.Time
	expire   time.Time
}

// statedSession reads Session-Expires: 0 when there is none.
func statedSession(m *Message) (interval time.Duration, refresher string) {
	value := m.header("Session-Expires")
	if value == "" {
		return 0, ""
	}
	number, rest, _ := strings.Cut(value, ";")
	return deltaSeconds(number), strings.ToLower(parseParams(rest)["refresher"])
}

// deltaSeconds reads a number of seconds; one too large for a day's timer is a
// day, one that is no number is 0.
func deltaSeconds(s string) time.Duration {
	number, _, _ := strings.Cut(s, ";")
	n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 32)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0
	}
	return min(time.Duration(n)*time.Second, 24*time.Hour)
}

// tooShort: the request wants an interval we must answer with 422.
func tooShort(m *Message) bool {
	interval, _ := statedSession(m)
	return m.has("Session-Expires") && interval < minSession
}

// agree is the UAS's side of RFC 4028 section 9, table 2: the interval is taken
// as stated; without one we name ours to whoever supports the timer, and
// refresh ourselves, so that a dead SRC is noticed.
func agree(now time.Time, req *Message) sessionTimer {
	able := req.option("Supported", "timer") || req.option("Require", "timer")
	interval, refresher := statedSession(req)
	if interval == 0 {
		if !able {
			return sessionTimer{}
		}
		return startTimer(now, max(defaultSession, deltaSeconds(req.header("Min-SE"))), true)
	}
	return startTimer(now, interval, !able || refresher == "uas")
}

func startTimer(now time.Time, interval time.Duration, ours bool) sessionTimer {
	t := sessionTimer{interval: interval, ours: ours}
	if ours {
		t.refresh = now.Add(interval / 2)
	}
	t.expire = now.Add(interval - min(32*time.Second, interval/3))
	return t
}
