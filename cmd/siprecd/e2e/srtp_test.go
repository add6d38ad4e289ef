//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"math"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"siprecd/cmd/siprecd/place"
	"siprecd/media"
	"siprecd/sip"
	"siprecd/store"
)

// TestFFmpegSendsSRTP lets ffmpeg encrypt a tone on either line, with both
// suites it knows: heard on its own side, nothing lost; under a key that was not
// signalled and in clear, nothing is recorded.
func TestFFmpegSendsSRTP(t *testing.T) {
	s := newSite(t, "[default]\npolicy = \"full\"\n")
	d := s.start()
	src, err := place.Open(place.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	wrong := key(t, "AES_CM_128_HMAC_SHA1_80")
	for name, c := range map[string]struct {
		suite string
		with  *media.MasterKey // instead of the signalled one
		clear bool
		kept  bool
	}{
		"_80":        {suite: "AES_CM_128_HMAC_SHA1_80", kept: true},
		"_32":        {suite: "AES_CM_128_HMAC_SHA1_32", kept: true},
		"_80, wrong": {suite: "AES_CM_128_HMAC_SHA1_80", with: &wrong},
		"_80, clear": {suite: "AES_CM_128_HMAC_SHA1_80", clear: true},
	} {
		t.Run(name, func(t *testing.T) {
			local := netip.MustParseAddr("127.0.0.1")
			ports := freePairs(t, local)
			var lines []sip.Line
			var said []media.MasterKey
			for i, p := range ports {
				k := key(t, c.suite)
				said = append(said, k)
				lines = append(lines, sip.Line{Label: fmt.Sprint(i + 1), Proto: "RTP/SAVP", Addr: netip.AddrPortFrom(local, p),
					Crypto: []sip.Crypto{{Tag: 1, Suite: c.suite, Keys: []sip.CryptoKey{{Key: k.Key}}}}})
			}
			rs, err := src.Caller.Invite(t.Context(), sip.Invitation{Target: "sip:" + d.udp, From: "2001", To: "0105550101", Lines: lines})
			if err != nil {
				t.Fatal(err)
			}
			var senders []*exec.Cmd
			for i, l := range rs.Lines() {
				k := said[i]
				if c.with != nil {
					k = *c.with
				}
				senders = append(senders, ffmpegSends(t, 440+220*i, ports[i], l.To, k, c.clear))
			}
			for _, cmd := range senders {
				if err := cmd.Wait(); err != nil {
					t.Errorf("ffmpeg: %v\n%s", err, cmd.Stderr)
				}
			}
			if err := rs.Bye(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			judgeSRTP(t, s, rs.CallID(), c.kept)
		})
	}
	d.stop()
	if strings.Count(d.log.String(), "a stream could not be decrypted") != 4 {
		t.Errorf("four streams could not be decrypted, the log says\n%s", d.log)
	}
}

// TestSIPpOverTLSWithSRTP lets SIPp signal through socat's TLS and ffmpeg send
// the media encrypted, to a recorder that takes it no other way.
func TestSIPpOverTLSWithSRTP(t *testing.T) {
	s := newSite(t, "[default]\npolicy = \"full\"\n")
	outside(t, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=srs",
		"-keyout", filepath.Join(s.dir, "k.pem"), "-out", filepath.Join(s.dir, "c.pem"))
	s.write("siprecd.toml", `[sip]
listen = ["tls:127.0.0.1:0", "udp:127.0.0.1:0", "tcp:127.0.0.1:0"]
cert = "c.pem"
key = "k.pem"
[data]
dir = "data"
[[src]]
name = "sbc"
addresses = ["127.0.0.1"]
media = "srtp"
`)
	d := s.start()
	tunnel := openTunnel(t, d.tls)
	const suite = "AES_CM_128_HMAC_SHA1_80"
	ports, keys := freePairs(t, netip.MustParseAddr("127.0.0.1")), [2]media.MasterKey{key(t, suite), key(t, suite)}
	scenario, err := os.ReadFile("../../../testdata/sipp/forked-call.xml")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(strings.ReplaceAll(string(scenario), "RTP/AVP", "RTP/SAVP"), `milliseconds="10000"`, `milliseconds="5000"`)
	for i, k := range keys {
		text = strings.Replace(text, fmt.Sprintf("m=audio %d ", 20000+2*i), fmt.Sprintf("m=audio %d ", ports[i]), 1)
		text = strings.Replace(text, fmt.Sprintf("a=label:%d\n", i+1), fmt.Sprintf("a=label:%d\na=crypto:1 %s inline:%s\n", i+1, suite, base64.StdEncoding.EncodeToString(k.Key)), 1)
	}
	s.write("encrypted.xml", text)
	fifo := filepath.Join(s.dir, "ports")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	sipp := exec.Command("sipp", tunnel, "-sf", filepath.Join(s.dir, "encrypted.xml"), "-t", "t1", "-i", "127.0.0.1", "-m", "1",
		"-nostdin", "-trace_logs", "-log_file", fifo, "-trace_err", "-error_file", filepath.Join(s.dir, "sipp.err"), "-timeout", "30s")
	if err := sipp.Start(); err != nil {
		t.Fatal(err)
	}
	log, err := os.Open(fifo)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	for lines := bufio.NewScanner(log); lines.Scan(); {
		m := portsLine.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		for i, k := range keys {
			to := netip.MustParseAddrPort("127.0.0.1:" + m[2+i])
			if cmd := ffmpegSends(t, 440+220*i, ports[i], to, k, false); i == 1 {
				_ = cmd.Wait()
			} else {
				defer cmd.Wait()
			}
		}
	}
	if err := sipp.Wait(); err != nil {
		failures, _ := os.ReadFile(filepath.Join(s.dir, "sipp.err"))
		t.Fatalf("sipp: %v\n%.2000s\n%.2000s", err, failures, d.log)
	}
	rows := s.settled(1)
	d.stop()
	judgeSRTP(t, s, rows[0].CallID, true)
}

// openTunnel lets socat take plain TCP and hand it on over TLS.
func openTunnel(t *testing.T, to string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	from := l.Addr().String()
	l.Close()
	_, port, _ := net.SplitHostPort(from)
	socat := exec.Command("socat", "-d", "-d", "TCP-LISTEN:"+port+",bind=127.0.0.1,reuseaddr,fork", "OPENSSL:"+to+",verify=0")
	said, err := socat.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := socat.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = socat.Process.Kill()
		_ = socat.Wait()
	})
	for lines := bufio.NewScanner(said); lines.Scan(); {
		if strings.Contains(lines.Text(), "listening on") {
			go func() {
				for lines.Scan() { // so that socat never waits for a reader
				}
			}()
			return from
		}
	}
	t.Fatal("socat does not listen")
	return ""
}

func key(t *testing.T, suite string) media.MasterKey {
	t.Helper()
	k, err := media.NewMasterKey(suite)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// freePairs finds two even ports whose neighbours are free too, and gives them
// back for ffmpeg to bind.
func freePairs(t *testing.T, local netip.Addr) (ports [2]uint16) {
	t.Helper()
	conns, err := place.Sockets(t.Context(), local, len(ports))
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range conns {
		ports[i] = c.LocalAddr().(*net.UDPAddr).AddrPort().Port()
		c.Close()
	}
	return ports
}

func ffmpegSends(t *testing.T, tone int, from uint16, to netip.AddrPort, k media.MasterKey, inClear bool) *exec.Cmd {
	t.Helper()
	scheme := "srtp"
	args := []string{"-hide_banner", "-loglevel", "error", "-re", "-f", "lavfi", "-i", fmt.Sprintf("sine=frequency=%d:sample_rate=8000:duration=3", tone),
		"-c:a", "pcm_mulaw", "-packetsize", "172", "-f", "rtp"}
	if inClear {
		scheme = "rtp"
	} else {
		args = append(args, "-srtp_out_suite", k.Suite, "-srtp_out_params", base64.StdEncoding.EncodeToString(k.Key))
	}
	cmd := exec.Command("ffmpeg", append(args, fmt.Sprintf("%s://%s?localrtpport=%d&localrtcpport=%d&pkt_size=172", scheme, to, from, from+1))...)
	cmd.Stderr = &bytes.Buffer{}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

func judgeSRTP(t *testing.T, s *site, callID string, kept bool) {
	t.Helper()
	var row store.Row
	for _, r := range s.settled(1) {
		if r.CallID == callID {
			row = r
		}
	}
	for i, st := range row.Streams {
		switch {
		case kept && (st.Packets < 140 || st.Lost+st.Refused+st.Unauthenticated != 0 || st.SRTP == ""):
			t.Errorf("line %d: %+v", i, st)
		case !kept && (st.Packets != 0 || st.Unauthenticated < 140 || st.Refused < st.Unauthenticated):
			t.Errorf("line %d: %+v", i, st)
		}
	}
	if !kept {
		if row.State != store.NotRecorded || strings.Count(strings.Join(row.Notes, "\n"), "is not recorded: none of its") != 2 {
			t.Errorf("%s, notes %q", row.State, row.Notes)
		}
		return
	}
	b, err := os.ReadFile(s.file(row))
	if err != nil {
		t.Fatal(err)
	}
	var pcm bytes.Buffer
	if err := media.WritePCM(&pcm, bytes.NewReader(b)); err != nil {
		t.Fatal(err)
	}
	const second = 4 * 8000                        // bytes, both sides
	data := pcm.Bytes()[second+44 : 44+5*second/2] // while both speak
	for side, own := range []float64{440, 660} {
		if p, q := toneIn(data, side, own), toneIn(data, side, 1100-own); p < 100*q || p == 0 {
			t.Errorf("side %d: its own tone of %.0f Hz has %.3g, the other %.3g", side, own, p, q)
		}
	}
}

// toneIn is the power at f Hz (Goertzel) of one side of stereo PCM at 8,000 Hz.
func toneIn(data []byte, side int, f float64) float64 {
	k := 2 * math.Cos(2*math.Pi*f/8000)
	var a, b float64
	for i := 2 * side; i+1 < len(data); i += 4 {
		a, b = float64(int16(uint16(data[i])|uint16(data[i+1])<<8))+k*a-b, a
	}
	return a*a + b*b - k*a*b
}
