//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"siprecd/media"
	"siprecd/store"
)

// TestSIPp places 20 calls a second, 200 at once, over UDP and over TCP, and
// looks for every byte of every call.
func TestSIPp(t *testing.T) {
	for _, transport := range []string{"u1", "t1"} {
		t.Run(transport, func(t *testing.T) { flood(t, transport, 300, 20, 9*time.Second) })
	}
}

func flood(t *testing.T, transport string, calls, rate int, talk time.Duration) {
	s := newSite(t, "[default]\npolicy = \"full\"\n[extensions]\n2001 = \"full\"\n")
	d := s.start()
	target := d.udp
	if transport == "t1" {
		target = d.tcp
	}
	spoken := s.sipp(d, "forked-call.xml", target, talk, "-t", transport, "-m", strconv.Itoa(calls), "-r", strconv.Itoa(rate), "-l", "200")
	rows := s.settled(calls)
	d.stop()
	if len(rows) != calls || len(spoken) != calls {
		t.Fatalf("%d rows, media sent for %d calls, want %d", len(rows), len(spoken), calls)
	}
	var packets int64
	for _, r := range rows {
		n, err := strconv.Atoi(r.Other[len("0105550"):])
		if err != nil {
			t.Fatalf("other %q: %v", r.Other, err)
		}
		packets += compare(t, s, r, spoken[n])
	}
	t.Logf("%s: %d calls sealed, %d packets, none lost, payload equal byte for byte", transport, calls, packets)
}

// sipp runs a scenario of testdata/sipp and sends both lines of each of its
// calls talk of noise. It returns what was sent, by SIPp's number of the call.
func (s *site) sipp(d *daemon, scenario, target string, talk time.Duration, args ...string) map[int][2]media.Sent {
	s.t.Helper()
	fifo := filepath.Join(s.dir, "ports")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		s.t.Fatal(err)
	}
	sent := speak(s.t, fifo, talk)
	cmd := exec.Command("sipp", append([]string{target, "-sf", filepath.Join("../../../testdata/sipp", scenario), "-i", "127.0.0.1",
		"-nostdin", "-trace_logs", "-log_file", fifo, "-trace_err", "-error_file", filepath.Join(s.dir, "sipp.err"), "-timeout", "120s"}, args...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		failures, _ := os.ReadFile(filepath.Join(s.dir, "sipp.err"))
		s.t.Fatalf("sipp: %v\n%.2000s\n%.2000s\n%.2000s", err, failures, tail(out.Bytes(), 2000), d.log)
	}
	return sent()
}

// compare looks at one recording: state, counts, and each channel's payload as
// it was sent, in one piece.
func compare(t *testing.T, s *site, r store.Row, sent [2]media.Sent) (packets int64) {
	t.Helper()
	if r.State != store.Sealed {
		t.Errorf("%s is %s: %q", r.ID, r.State, r.Notes)
		return 0
	}
	for i, st := range r.Streams {
		packets += st.Packets
		if st.Lost != 0 || st.Refused != 0 || st.Packets != sent[i].Packets {
			t.Errorf("%s line %d: %d of %d packets, %d lost, %d refused", r.ID, i, st.Packets, sent[i].Packets, st.Lost, st.Refused)
		}
	}
	b, err := os.ReadFile(s.file(r))
	if err != nil {
		t.Error(err)
		return packets
	}
	wav, err := media.ReadWAV(bytes.NewReader(b))
	if err != nil {
		t.Errorf("%s: %v", r.ID, err)
		return packets
	}
	data := b[int64(len(b))-wav.DataBytes:]
	for i := range 2 {
		channel := make([]byte, 0, len(data)/2)
		for j := i; j < len(data); j += 2 {
			channel = append(channel, data[j])
		}
		if !bytes.Contains(channel, sent[i].Audio) {
			t.Errorf("%s line %d: the %d bytes that were sent are not in the file in one piece", r.ID, i, len(sent[i].Audio))
		}
	}
	return packets
}

var portsLine = regexp.MustCompile(`ports (\d+) (\d+) (\d+)`)

// speak reads the ports of each call from the log that SIPp writes into fifo
// and sends both lines' media there. The returned function waits for all and
// tells what each call, by SIPp's number, was sent.
func speak(t *testing.T, fifo string, talk time.Duration) func() map[int][2]media.Sent {
	t.Helper()
	sender := media.NewSender(false)
	t.Cleanup(sender.Close)
	var mu sync.Mutex // guards outs
	outs := make(map[int][]*media.Out)
	var wg sync.WaitGroup
	wg.Go(func() {
		f, err := os.Open(fifo) // returns when SIPp has opened the other end
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			m := portsLine.FindStringSubmatch(lines.Text())
			if m == nil {
				continue
			}
			n, _ := strconv.Atoi(m[1])
			o, err := sendBoth(t, sender, n, m[2], m[3], talk)
			if err != nil {
				t.Error(err)
				continue
			}
			mu.Lock()
			outs[n] = o
			mu.Unlock()
		}
	})
	return func() map[int][2]media.Sent {
		wg.Wait()
		sent := make(map[int][2]media.Sent)
		for n, o := range outs {
			<-o[0].Done()
			<-o[1].Done()
			sent[n] = [2]media.Sent{o[0].Sent(), o[1].Sent()}
		}
		return sent
	}
}

func sendBoth(t *testing.T, sender *media.Sender, n int, port1, port2 string, talk time.Duration) ([]*media.Out, error) {
	var streams []media.OutStream
	for i, p := range []string{port1, port2} {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			return nil, err
		}
		t.Cleanup(func() { conn.Close() })
		to, err := netip.ParseAddrPort("127.0.0.1:" + p)
		if err != nil {
			return nil, fmt.Errorf("call %d: %w", n, err)
		}
		streams = append(streams, media.OutStream{
			Conn: conn, To: to, Codec: "PCMU", Clip: noise(n, i), Length: talk, Keep: true,
			SSRC: uint32(n<<1 | i), Seq: uint16(n), Timestamp: uint32(n) * 7919,
		})
	}
	return sender.AddTogether(streams...)
}

// noise is audio that belongs to one line of one call only.
func noise(call, line int) *media.Clip {
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], uint64(call)<<1|uint64(line))
	r := rand.New(rand.NewChaCha8(seed))
	samples := make([]int16, 8000)
	for i := range samples {
		samples[i] = int16(r.IntN(1<<15) - 1<<14)
	}
	return &media.Clip{Samples: samples, Loop: true}
}

func tail(b []byte, n int) []byte { return b[max(0, len(b)-n):] }
