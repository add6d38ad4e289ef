package main

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"siprecd/cmd/siprecd/config"
)

// diskReserve is what is left for the calls that are live when new ones are
// refused: 500 calls of two hours.
const diskReserve = 512 << 20

// saidAgain is how long the log is silent about refusals after one.
const saidAgain = 10 * time.Second

// turnstile remembers why calls were refused, for `siprecd status` and the log.
type turnstile struct {
	mu      sync.Mutex // guards the next fields
	refused int64
	last    time.Time
	why     string
	said    time.Time // when the log was last told
}

// refuse counts a refusal and reports whether the log should hear of it.
func (t *turnstile) refuse(why string, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refused++
	say := why != t.why || now.Sub(t.said) > saidAgain
	t.why, t.last = why, now
	if say {
		t.said = now
	}
	return say
}

// count returns how many were refused so far, and why the last was.
func (t *turnstile) count() (n int64, why string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.refused, t.why
}

// warning is the line in status; "" when nobody was refused.
func (t *turnstile) warning(now time.Time) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.refused == 0 {
		return ""
	}
	return fmt.Sprintf("%s refused with 503, the last %s ago: %s",
		plural(int(t.refused), "request"), now.Sub(t.last).Round(time.Second), t.why)
}

// busy is admission: what refuses new calls before the live ones suffer.
func (d *daemon) busy() (time.Duration, bool) {
	again, why := d.hindrance()
	if why == "" {
		return 0, false
	}
	if d.refusals.refuse(why, time.Now()) {
		d.log.Error("new calls are refused with 503", "side", "srs", "reason", why, "retry_after", again)
	}
	return again, true
}

// hindrance is what keeps a new call from being taken now, and when to ask
// again; "" when nothing does.
func (d *daemon) hindrance() (again time.Duration, why string) {
	const soon, later = 5 * time.Second, time.Minute
	if err := d.store.Err(); err != nil {
		return later, "the disk failed: " + err.Error()
	}
	if most := d.cfg.Load().Limits.MaxCalls; most > 0 && d.rec.LiveCount() >= most {
		return soon, fmt.Sprintf("%d calls are live, as many as [limits] max_calls allows", most)
	}
	if d.rtp.Free() == 0 {
		return soon, "every port of [media] ports is in use"
	}
	if d.rtp.Strained() {
		return soon, "this machine is too busy: audio was fetched half a second late"
	}
	if free, _, err := d.store.Disk(); err == nil && free < diskReserve {
		return later, fmt.Sprintf("the disk is full: %s free, %s are kept for live calls", gib(free), gib(diskReserve))
	}
	return 0, ""
}

// warnings is what an administrator should see to, in whole sentences.
func (d *daemon) warnings(now time.Time) []string {
	list := append([]string{}, d.notices...)
	list = append(list, "numbers and names lie in "+d.dir+" in clear: it belongs on an encrypted volume")
	if d.store.RunKeyBeside {
		list = append(list, "the key of live calls' tapes lies beside them, in "+d.dir+": as a service, give it a credential or a RuntimeDirectory")
	}
	if len(d.cfg.Load().Sources) == 0 && !d.onLoopback() {
		list = append(list, "anybody who reaches this host may send calls: list your SBCs as [[src]]")
	}
	if names := config.NeedRestart(d.begun, d.cfg.Load()); len(names) > 0 {
		list = append(list, strings.Join(names, ", ")+" changed and waits for a restart")
	}
	if free, total, err := d.store.Disk(); err == nil && free < total/20 {
		list = append(list, fmt.Sprintf("the disk is nearly full: new calls are refused below %s", gib(diskReserve)))
	}
	if w := d.refusals.warning(now); w != "" {
		list = append(list, w)
	}
	if who := d.sip.Strangers(); who.Count > 0 {
		list = append(list, fmt.Sprintf("addresses that no [[src]] names got no answer, the last %s, %s ago (%d so far)",
			who.Last, now.Sub(who.LastHeard).Round(time.Second), who.Count))
	}
	return list
}

// onLoopback reports whether only this machine can reach us.
func (d *daemon) onLoopback() bool {
	for i := range d.sip.Listen {
		a, err := netip.ParseAddrPort(d.sip.Addr(i).String())
		if err != nil || !a.Addr().IsLoopback() {
			return false
		}
	}
	return true
}
