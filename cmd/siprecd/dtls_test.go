package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/selfsign"

	"siprecd/cmd/siprecd/place"
	"siprecd/media"
	"siprecd/sip"
	"siprecd/store"
)

// TestKeysByDTLS: a call whose lines' keys are made by DTLS is recorded bit for
// bit; one whose certificate is not the one signalled is not, and says so.
func TestKeysByDTLS(t *testing.T) {
	d, log := secureDaemon(t)
	src, err := place.Open(place.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	for _, honest := range []bool{true, false} {
		cert, err := selfsign.GenerateSelfSigned()
		if err != nil {
			t.Fatal(err)
		}
		target := "sip:" + d.sip.Addr(0).String()
		conns, err := place.Sockets(t.Context(), netip.MustParseAddr("127.0.0.1"), 2)
		if err != nil {
			t.Fatal(err)
		}
		said := fingerprintOf(cert.Certificate[0])
		if !honest {
			said = fingerprintOf([]byte("another"))
		}
		var lines []sip.Line
		for i, c := range conns {
			defer c.Close()
			lines = append(lines, sip.Line{Label: fmt.Sprint(i + 1), Proto: "UDP/TLS/RTP/SAVP", Mux: true, Setup: "actpass",
				Fingerprints: []string{said}, Addr: c.LocalAddr().(*net.UDPAddr).AddrPort()})
		}
		rs, err := src.Caller.Invite(t.Context(), sip.Invitation{Target: target, From: "2001", To: "0105550101", Lines: lines})
		if err != nil {
			t.Fatal(err)
		}
		sender := media.NewSender(false)
		defer sender.Close()
		r := place.Result{CallID: rs.CallID()}
		var keys [][]byte
		for i, l := range rs.Lines() {
			key, err := clientKey(t, conns[i], l, cert)
			if (err == nil) != honest {
				t.Fatalf("honest %v: line %d: %v", honest, i, err)
			}
			if !honest {
				break
			}
			keys = append(keys, key.Key)
			out, err := sender.Add(media.OutStream{Conn: conns[i], To: l.To, Codec: "PCMU", Clip: media.Tone(440 + 220*i),
				SSRC: uint32(i + 1), Seq: 65500, SRTP: &key, Length: 500 * time.Millisecond, Delay: 100 * time.Millisecond, Keep: true})
			if err != nil {
				t.Fatal(err)
			}
			<-out.Done()
			r.Lines = append(r.Lines, place.LineResult{Sent: out.Stop()})
		}
		if err := rs.Bye(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		row, err := awaitSealed(d, r.CallID)
		if err != nil {
			t.Fatal(err)
		}
		if honest {
			judgeEncrypted(t, d, "DTLS-SRTP", row, r)
			searchFor(t, keys, log.String()+everything(t, d.dir))
		} else if row.State != store.NotRecorded || !strings.Contains(strings.Join(row.Notes, "\n"), "line 0: DTLS: ") {
			t.Errorf("%s, notes %q", row.State, row.Notes)
		}
	}
}

func fingerprintOf(certificate []byte) string {
	return "sha-256 " + strings.ReplaceAll(fmt.Sprintf("% X", sha256.Sum256(certificate)), " ", ":")
}

// clientKey makes the keys of a line as an SRC does, and returns the one it
// encrypts with.
func clientKey(t *testing.T, socket *net.UDPConn, l sip.OutgoingLine, cert tls.Certificate) (k media.MasterKey, err error) {
	t.Helper()
	conn, err := dtls.ClientWithOptions(&sharedSocket{socket}, net.UDPAddrFromAddrPort(l.To),
		dtls.WithCertificates(cert), dtls.WithInsecureSkipVerify(true), dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		return k, err
	}
	state, _ := conn.ConnectionState()
	if shown := fingerprintOf(state.PeerCertificates[0]); !slices.Contains(l.Shown, shown) {
		t.Errorf("the recorder shows %s, its answer says %v", shown, l.Shown)
	}
	all, err := state.ExportKeyingMaterial("EXTRACTOR-dtls_srtp", nil, 2*(16+12))
	if err != nil {
		t.Fatal(err)
	}
	return media.MasterKey{Suite: "AEAD_AES_128_GCM", Key: slices.Concat(all[:16], all[32:44])}, nil
}

// sharedSocket stays open when its DTLS connection ends.
type sharedSocket struct{ *net.UDPConn }

func (sharedSocket) Close() error { return nil }
