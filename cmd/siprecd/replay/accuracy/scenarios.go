package main

import (
	"math/rand/v2"
	"time"
)

// scenario is one call of two legs.
type scenario struct {
	name string
	legs []*leg
	lost float64 // share of the clicks that the network takes
	mute time.Duration
}

// mayMiss is how many clicks cannot be found.
func (s *scenario) mayMiss(length time.Duration) int {
	return int(2*length.Seconds()*s.lost*1.3) + int(2*s.mute.Seconds()) + 2
}

// uniform jitter: each packet is late by anything up to most.
func uniform(most time.Duration) func(*rand.Rand, time.Duration) time.Duration {
	return func(r *rand.Rand, _ time.Duration) time.Duration { return time.Duration(r.Int64N(int64(most))) }
}

// queue is jitter of a network that is busy now and then: for a minute in every
// ten nothing comes sooner than 60 ms late.
func queue(r *rand.Rand, at time.Duration) time.Duration {
	late := min(time.Duration(r.ExpFloat64()*float64(8*time.Millisecond)), 40*time.Millisecond)
	if at%(10*time.Minute) > 9*time.Minute {
		late += 60 * time.Millisecond
	}
	return late
}

func random(share float64) func(*rand.Rand) bool {
	return func(r *rand.Rand) bool { return r.Float64() < share }
}

// bursts loses share of all packets, in rows of eight on average.
func bursts(share float64) func(*rand.Rand) bool {
	bad := false
	return func(r *rand.Rand) bool {
		if bad {
			bad = r.Float64() > 1.0/8
		} else {
			bad = r.Float64() < share/(1-share)/8
		}
		return bad
	}
}

func phone(ppm float64, jitter time.Duration) *leg {
	l := &leg{ptime: 20 * time.Millisecond, ppm: ppm}
	if jitter > 0 {
		l.delay = uniform(jitter)
	}
	return l
}

// with changes a leg.
func (l *leg) with(change func(*leg)) *leg {
	change(l)
	return l
}

// again begins anew in each of the ways a sender does.
func again(l *leg) {
	l.restarts = []restart{
		{at: 7 * time.Minute, ssrc: true, stamp: 0x12345678},
		{at: 19 * time.Minute, zero: true},
		{at: 31 * time.Minute, stamp: 1 << 31},
		{at: 43 * time.Minute, stamp: 1<<31 + 5},
		{at: 55 * time.Minute, ssrc: true},
		{at: 55*time.Minute + 3*time.Second, seq: 20000, stamp: 160},
		{at: 67 * time.Minute, seq: 40000, zero: true},
		{at: 110 * time.Minute, stamp: 480000},
	}
}

// reports has a leg say how its timestamps stand to the wall clock, from afar.
func reports(detour time.Duration) func(*leg) {
	return func(l *leg) { l.reports, l.detour = true, detour }
}

func stalls(frozen bool) func(*leg) {
	return func(l *leg) {
		for at := 5 * time.Minute; at < 2*time.Hour; at += 14 * time.Minute {
			l.stalls = append(l.stalls, stall{at: at, length: 3 * time.Second, frozen: frozen})
		}
	}
}

func scenarios() []*scenario {
	const jitter = 100 * time.Millisecond
	return []*scenario{
		{name: "clocks off by 200 ppm", legs: []*leg{phone(200, 0), phone(-200, 0)}},
		{name: "200 ppm, jitter 100 ms", legs: []*leg{phone(200, jitter), phone(-200, jitter)}},
		{name: "200 ppm, jitter 100 ms, loud", legs: []*leg{
			phone(-200, jitter).with(func(l *leg) { l.loud = true }), phone(200, jitter).with(func(l *leg) { l.loud = true })}},
		{name: "clocks off by 1.3 ppm, jitter 100 ms", legs: []*leg{phone(1.3, jitter), phone(-1.3, jitter)}},
		{name: "no drift, jitter 100 ms", legs: []*leg{phone(0, jitter), phone(0, jitter)}},
		{name: "50 and -120 ppm, a queue of 60 ms at times", legs: []*leg{
			phone(50, 0).with(func(l *leg) { l.delay = queue }), phone(-120, 0)}},
		{name: "clocks that wander, jitter 40 ms", legs: []*leg{
			phone(30, 40*time.Millisecond).with(func(l *leg) { l.wander = 3 }), phone(-80, 40*time.Millisecond).with(func(l *leg) { l.wander = -2 })}},
		{name: "5 % lost at random, jitter 40 ms", lost: 0.05, legs: []*leg{
			phone(-200, 40*time.Millisecond).with(func(l *leg) { l.lose = random(0.05) }), phone(37, 40*time.Millisecond).with(func(l *leg) { l.lose = random(0.05) })}},
		{name: "5 % lost in bursts, jitter 100 ms", lost: 0.05, legs: []*leg{
			phone(90, jitter).with(func(l *leg) { l.lose = bursts(0.05) }), phone(-30, jitter).with(func(l *leg) { l.lose = bursts(0.05) })}},
		{name: "DTX, 200 ppm, jitter 60 ms", legs: []*leg{
			phone(200, 60*time.Millisecond).with(func(l *leg) { l.dtx = true }), phone(-200, 60*time.Millisecond).with(func(l *leg) { l.dtx = true })}},
		{name: "senders that begin anew, 200 ppm, jitter", legs: []*leg{phone(200, jitter).with(again), phone(-200, jitter).with(again)}},
		{name: "packets of 10 and 200 ms, jitter 100 ms", legs: []*leg{
			phone(-150, jitter).with(func(l *leg) { l.ptime = 10 * time.Millisecond }), phone(150, jitter).with(func(l *leg) { l.ptime = 200 * time.Millisecond })}},
		{name: "two laws, one leg joins 12 s late", mute: 12 * time.Second, legs: []*leg{
			phone(200, jitter), phone(-200, jitter).with(func(l *leg) { l.payload, l.joins = 8, 12*time.Second })}},
		{name: "the network stands for 3 s at times", legs: []*leg{phone(200, 0).with(stalls(false)), phone(-200, 20*time.Millisecond).with(stalls(false))}},
		{name: "one way 80 ms longer, sender reports", legs: []*leg{
			phone(200, jitter).with(reports(0)), phone(-200, jitter).with(reports(80 * time.Millisecond))}},
		{name: "a sender stands for 3 s at times", mute: 40 * time.Second, legs: []*leg{phone(200, 20*time.Millisecond).with(stalls(true)), phone(-200, 20*time.Millisecond)}},
	}
}
