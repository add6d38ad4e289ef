// Accuracy makes captures of two-hour calls as bad clocks and networks would
// have them, has siprecd replay them, and says how far from its place anything
// is that was said.
//
//	go run ./cmd/siprecd/replay/accuracy -siprecd bin/siprecd
//
// Each leg has a click in every second. What is measured is where the click is
// in the recording against when it was made, and how the legs stand to each
// other in the last minute. It ends with exit code 1 when the farthest is
// farther than 10 ms, or 5 ms between legs.
package main

import (
	"bytes"
	"container/heap"
	"encoding/json"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	absoluteLimit = 10.0 // ms
	betweenLimit  = 5.0
)

func main() {
	binary := flag.String("siprecd", "bin/siprecd", "the `program` that replays")
	length := flag.Duration("length", 2*time.Hour, "of each call")
	only := flag.String("only", "", "the scenarios whose names contain this `text`")
	keep := flag.String("keep", "", "`directory` in which captures and recordings stay")
	flag.Parse()
	if err := run(*binary, *length, *only, *keep); err != nil {
		fmt.Fprintln(os.Stderr, "accuracy:", err)
		os.Exit(1)
	}
}

func run(binary string, length time.Duration, only, keep string) error {
	dir := keep
	if dir == "" {
		temporary, err := os.MkdirTemp("", "accuracy")
		if err != nil {
			return err
		}
		defer os.RemoveAll(temporary)
		dir = temporary
	}
	fmt.Printf("%-42s %8s %8s %7s %7s %6s\n", "", "absolute", "between", "missing", "fixes", "length")
	absolute, between := 0.0, 0.0
	for i, s := range scenarios() {
		if !strings.Contains(s.name, only) {
			continue
		}
		place := filepath.Join(dir, fmt.Sprintf("%02d", i))
		r, fixes, err := s.measure(binary, place, length)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		fmt.Printf("%-42s %5.1f ms %5.1f ms %7d %7d %3.0f ms\n", s.name, r.absolute, r.between, r.missing, fixes, r.length)
		if r.foreign > 0 || r.missing > s.mayMiss(length) {
			return fmt.Errorf("%s: %d clicks are missing and %d are nobody's", s.name, r.missing, r.foreign)
		}
		absolute, between = max(absolute, r.absolute), max(between, r.between)
		if keep == "" {
			os.RemoveAll(place)
		}
	}
	fmt.Printf("max misplacement: absolute %.1f ms, between legs %.1f ms\n", absolute, between)
	if absolute > absoluteLimit || between > betweenLimit {
		return fmt.Errorf("more than %.0f ms, or %.0f ms between legs", absoluteLimit, betweenLimit)
	}
	return nil
}

// measure has one call recorded.
func (s *scenario) measure(binary, dir string, length time.Duration) (*result, int, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, 0, err
	}
	capture, data, audio := filepath.Join(dir, "call.pcap"), filepath.Join(dir, "data"), filepath.Join(dir, "call.wav")
	if err := s.film(capture, length); err != nil {
		return nil, 0, err
	}
	printed, err := command(binary, "replay", capture, "-o", data, "--ours", "2001", "--json")
	if err != nil {
		return nil, 0, err
	}
	var calls []struct {
		ID      string `json:"id"`
		Streams []struct {
			Channel     string            `json:"channel"`
			Gaps        []gap             `json:"gaps"`
			Corrections []json.RawMessage `json:"corrections"`
		} `json:"streams"`
	}
	if err := json.Unmarshal(printed, &calls); err != nil || len(calls) != 1 {
		return nil, 0, fmt.Errorf("replay printed no single call: %v\n%s", err, printed)
	}
	call, fixes := calls[0], 0
	var holes [2][]gap
	for _, stream := range call.Streams {
		fixes += len(stream.Corrections)
		side := 0
		if stream.Channel == "right" {
			side = 1
		}
		holes[side] = append(holes[side], stream.Gaps...)
	}
	if _, err := command(binary, "export", "--data", data, call.ID, "--format", "pcm", "-o", audio); err != nil {
		return nil, 0, err
	}
	h, err := listen(audio, holes)
	if err != nil {
		return nil, 0, err
	}
	r := &result{}
	r.compare(h, s.legs, length)
	return r, fixes, nil
}

func command(name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w\n%s", name, args[0], err, stderr.Bytes())
	}
	return out, nil
}

// arrivals are packets on their way, the first to come first.
type arrivals []*datagram

func (a arrivals) Len() int           { return len(a) }
func (a arrivals) Less(i, j int) bool { return a[i].at < a[j].at }
func (a arrivals) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }
func (a *arrivals) Push(x any)        { *a = append(*a, x.(*datagram)) }
func (a *arrivals) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

// film writes the capture of the call.
func (s *scenario) film(name string, length time.Duration) error {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	begin := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	f := newFilm(file)
	f.udp(begin, src, srs, invite(s.legs))
	f.udp(begin.Add(time.Millisecond), srs, src, answer(s.legs))
	var talk []*speech
	for i, l := range s.legs {
		talk = append(talk, newSpeech(i, l, length-200*time.Millisecond))
	}
	underway := &arrivals{}
	for len(talk) > 0 {
		next := 0
		for i := range talk {
			if talk[i].timeOf(float64(talk[i].n)) < talk[next].timeOf(float64(talk[next].n)) {
				next = i
			}
		}
		now := talk[next].timeOf(float64(talk[next].n))
		for underway.Len() > 0 && (*underway)[0].at <= now {
			f.deliver(begin, heap.Pop(underway).(*datagram))
		}
		if d := talk[next].report(now); d != nil {
			heap.Push(underway, d)
		}
		d, more := talk[next].next()
		if !more {
			talk = append(talk[:next], talk[next+1:]...)
		}
		if d != nil {
			heap.Push(underway, d)
		}
	}
	for underway.Len() > 0 {
		f.deliver(begin, heap.Pop(underway).(*datagram))
	}
	f.udp(begin.Add(length), src, srs, bye())
	if err := f.close(); err != nil {
		return err
	}
	return file.Close()
}

func (f *film) deliver(begin time.Time, d *datagram) {
	from, to := media(d.leg)
	if d.rtcp {
		from, to = netip.AddrPortFrom(from.Addr(), from.Port()+1), netip.AddrPortFrom(to.Addr(), to.Port()+1)
	}
	f.udp(begin.Add(d.at), from, to, d.payload)
}
