package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"siprecd/cmd/siprecd/config"
	"siprecd/cmd/siprecd/place"
	"siprecd/media"
	"siprecd/sip"
	"siprecd/store"
)

// lockedBuffer is a log that may be read while it is written.
type lockedBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// writeCertificate makes c.pem, which nobody but 127.0.0.1 may show, and its key
// k.pem.
func writeCertificate(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	for name, block := range map[string]*pem.Block{
		"c.pem": {Type: "CERTIFICATE", Bytes: der}, "k.pem": {Type: "PRIVATE KEY", Bytes: secret},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// secureDaemon listens with and without TLS, logs everything, and has one SRC
// that must encrypt its media.
func secureDaemon(t *testing.T) (*daemon, *lockedBuffer) {
	t.Helper()
	dir := t.TempDir()
	if err := writeCertificate(dir); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"siprecd.toml": `[sip]
listen = ["udp:127.0.0.1:0", "tls:127.0.0.1:0"]
cert = "c.pem"
key = "k.pem"
[data]
dir = "data"
[[src]]
name = "sbc"
addresses = ["127.0.0.1"]
media = "srtp"
[log]
level = "debug"
`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, problems := config.Load(filepath.Join(dir, "siprecd.toml"))
	if cfg == nil {
		t.Fatal(printed(problems))
	}
	log := &lockedBuffer{}
	d, err := startDaemon(daemonOptions{Config: cfg, Errors: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := d.stop(ctx); err != nil {
			t.Error(err)
		}
	})
	return d, log
}

// TestEncryptedCalls places a call with each suite over UDP and TLS, all at
// once, with new keys in mid-call: recorded bit for bit; and no key is anywhere.
func TestEncryptedCalls(t *testing.T) {
	d, log := secureDaemon(t)
	srcs := map[string]*place.SRC{}
	for i, transport := range []string{"udp", "tls"} {
		src, err := place.Open(place.Options{Transport: transport, TLS: &tls.Config{InsecureSkipVerify: true}})
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		srcs[fmt.Sprintf("sip:%s", d.sip.Addr(i))] = src
	}
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex // guards the next fields
		keys [][]byte
		kept strings.Builder // while calls are live
	)
	learn := func(rs *sip.Outgoing) {
		mu.Lock()
		defer mu.Unlock()
		for _, l := range rs.Lines() {
			keys = append(keys, l.Crypto[0].Keys[0].Key, l.Theirs[0].Keys[0].Key)
		}
	}
	inMidCall := func(_ context.Context, rs *sip.Outgoing, _ *place.Parties) error {
		learn(rs)
		mu.Lock()
		defer mu.Unlock()
		if kept.Len() == 0 {
			kept.WriteString(everything(t, d.dir))
		}
		return nil
	}
	for target, src := range srcs {
		for i, suite := range media.SRTPSuites() {
			call := place.Call{
				SRC: src, Target: target, From: "2001", To: "0105550101", SRTP: suite, Keep: true, Answered: learn,
				A: place.Side{Clip: media.Tone(440)}, B: place.Side{Clip: media.Tone(660)},
				Duration: 1500 * time.Millisecond, Rekeys: []time.Duration{700 * time.Millisecond}, Offerless: i == 4,
				Steps: []place.Step{{At: time.Second, Do: inMidCall}},
			}
			wg.Go(func() {
				r, err := call.Run(t.Context())
				if err != nil {
					t.Errorf("%s %s: %v", target, suite, err)
					return
				}
				row, err := awaitSealed(d, r.CallID)
				if err != nil {
					t.Errorf("%s %s: %v", target, suite, err)
					return
				}
				judgeEncrypted(t, d, suite, row, r)
			})
		}
	}
	wg.Wait()
	shown, err := json.Marshal(d.status())
	if err != nil {
		t.Fatal(err)
	}
	searchFor(t, keys, string(shown)+log.String()+kept.String()+everything(t, d.dir))
}

func judgeEncrypted(t *testing.T, d *daemon, suite string, row *store.Row, r place.Result) {
	t.Helper()
	body, err := d.store.OpenAudio(context.Background(), row)
	if err != nil {
		t.Errorf("%s: %v, %s %q", suite, err, row.State, row.Notes)
		return
	}
	defer body.Close()
	wav, err := media.ReadWAV(body)
	if err != nil {
		t.Errorf("%s: %v", suite, err)
		return
	}
	data := make([]byte, wav.DataBytes)
	if _, err := wav.Data.ReadAt(data, 0); err != nil {
		t.Error(err)
	}
	for i, s := range row.Streams {
		if s.SRTP != suite || s.Lost+s.Refused+s.Unauthenticated != 0 || s.Packets != r.Lines[i].Packets {
			t.Errorf("%s line %d: %+v of %d packets", suite, i, s, r.Lines[i].Packets)
		}
		var side []byte
		for j := i; j < len(data); j += 2 {
			side = append(side, data[j])
		}
		if !bytes.Contains(side, r.Lines[i].Audio) {
			t.Errorf("%s line %d: the %d bytes sent are not in the recording in one piece", suite, i, len(r.Lines[i].Audio))
		}
	}
}

// TestCallsNotEncryptedAsAgreed: no key, a wrong key, clear RTP to an encrypted
// line: refused, counted, told; a call beside them notices nothing.
func TestCallsNotEncryptedAsAgreed(t *testing.T) {
	d, log := secureDaemon(t)
	src, err := place.Open(place.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	target := "sip:" + d.sip.Addr(0).String()
	beside := make(chan error, 1)
	good := place.Call{SRC: src, Target: target, From: "2001", To: "0105550101", SRTP: "AEAD_AES_128_GCM", Keep: true,
		A: place.Side{Clip: media.Tone(440)}, B: place.Side{Clip: media.Tone(660)}, Duration: 2 * time.Second}
	var sent place.Result
	go func() {
		var err error
		sent, err = good.Run(t.Context())
		beside <- err
	}()

	_, err = place.Call{SRC: src, Target: target, From: "2002", To: "0105550101", Duration: time.Second}.Run(t.Context())
	var refused *sip.StatusError
	if !errors.As(err, &refused) || refused.Status != 488 {
		t.Errorf("a call without keys ends with %v, want 488", err)
	}
	wrong, err := media.NewMasterKey("AES_CM_128_HMAC_SHA1_80")
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]*media.MasterKey{"a wrong key": &wrong, "in clear": nil} {
		row, packets := lie(t, d, src, target, key)
		s := row.Streams[0]
		if row.State != store.NotRecorded || s.Unauthenticated != packets || s.Refused != packets || s.Packets != 0 {
			t.Errorf("%s: %s, %+v of %d packets", name, row.State, s, packets)
		}
		if !strings.Contains(strings.Join(row.Notes, "\n"), "is not recorded: none of its") {
			t.Errorf("%s: notes %q", name, row.Notes)
		}
		searchFor(t, [][]byte{wrong.Key}, log.String()+everything(t, d.dir))
	}
	if !strings.Contains(log.String(), "level=WARN msg=\"a stream could not be decrypted\"") {
		t.Errorf("the log does not say so:\n%s", log)
	}
	if err := <-beside; err != nil {
		t.Fatal(err)
	}
	row, err := awaitSealed(d, sent.CallID)
	if err != nil {
		t.Fatal(err)
	}
	judgeEncrypted(t, d, "AEAD_AES_128_GCM", row, sent)
}

// lie signals one key and sends with another, or without any.
func lie(t *testing.T, d *daemon, src *place.SRC, target string, key *media.MasterKey) (*store.Row, int64) {
	t.Helper()
	local, err := src.Caller.LocalAddr(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	conns, err := place.Sockets(t.Context(), local, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer conns[0].Close()
	said, err := media.NewMasterKey("AES_CM_128_HMAC_SHA1_80")
	if err != nil {
		t.Fatal(err)
	}
	rs, err := src.Caller.Invite(t.Context(), sip.Invitation{Target: target, From: "2003", To: "0105550101", Lines: []sip.Line{{
		Label: "1", Proto: "RTP/SAVP", Addr: conns[0].LocalAddr().(*net.UDPAddr).AddrPort(),
		Crypto: []sip.Crypto{{Tag: 1, Suite: said.Suite, Keys: []sip.CryptoKey{{Key: said.Key}}}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	sender := media.NewSender(false)
	defer sender.Close()
	out, err := sender.Add(media.OutStream{
		Conn: conns[0], To: rs.Lines()[0].To, Codec: "PCMU", Clip: media.Tone(440), SSRC: 7, SRTP: key, Length: 300 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	<-out.Done()
	if err := rs.Bye(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	row, err := awaitSealed(d, rs.CallID())
	if err != nil {
		t.Fatal(err)
	}
	return row, out.Stop().Packets
}

// everything is what the data directory holds.
func everything(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return ignoreMissing(err)
		}
		b, err := os.ReadFile(p)
		all.Write(b)
		return ignoreMissing(err)
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// searchFor looks for keys in what is shown or kept.
func searchFor(t *testing.T, keys [][]byte, in string) {
	t.Helper()
	if len(keys) == 0 || len(in) == 0 {
		t.Fatalf("%d keys to be searched for in %d bytes", len(keys), len(in))
	}
	for _, k := range keys {
		for _, secret := range []string{string(k[:12]), base64.StdEncoding.EncodeToString(k)[:16], hex.EncodeToString(k)[:16], strings.Trim(fmt.Sprint(k[:8]), "[]")} {
			if at := strings.Index(in, secret); at >= 0 {
				t.Errorf("a key is shown: …%.100q", in[max(0, at-80):])
			}
		}
	}
}
