package media

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/srtp/v3"
)

// shaken is the other end of a line, once its handshake is done.
type shaken struct {
	conn *dtls.Conn
	seal *srtp.Context
}

// shakeHands is a client that shows id and wants the fingerprint of ours.
func shakeHands(t *testing.T, socket *net.UDPConn, to netip.AddrPort, id *Identity, want string, profiles ...dtls.SRTPProtectionProfile) (*shaken, error) {
	t.Helper()
	conn, err := dtls.ClientWithOptions(socket, net.UDPAddrFromAddrPort(to),
		dtls.WithCertificates(id.certificate), dtls.WithInsecureSkipVerify(true), dtls.WithSRTPProtectionProfiles(profiles...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	state, _ := conn.ConnectionState()
	if got := fingerprint("sha-256", state.PeerCertificates[0]); got != want {
		t.Errorf("the fingerprint shown is %s, said %s", got, want)
	}
	var c srtp.Config
	for _, p := range []srtp.ProtectionProfile{srtp.ProtectionProfileAeadAes256Gcm, srtp.ProtectionProfileAes128CmHmacSha1_80} {
		if selected, _ := conn.SelectedSRTPProtectionProfile(); uint16(selected) == uint16(p) {
			c.Profile = p
		}
	}
	if err := c.ExtractSessionKeysFromDTLS(&state, true); err != nil {
		t.Fatal(err)
	}
	seal, err := srtp.CreateContext(c.Keys.LocalMasterKey, c.Keys.LocalMasterSalt, c.Profile)
	if err != nil {
		t.Fatal(err)
	}
	return &shaken{conn, seal}, nil
}

func (s *shaken) encrypt(t *testing.T, b []byte) []byte {
	t.Helper()
	out, err := s.seal.EncryptRTP(nil, b, nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func identity(t *testing.T) *Identity {
	t.Helper()
	id, err := NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestJ08_DTLS: a client whose fingerprint was signalled makes keys with us, and
// is heard; a second association by a new certificate replaces them.
func TestJ08_DTLS(t *testing.T) {
	bothReceivers(t, func(t *testing.T, c ReceiverConfig) {
		r := newTestReceiver(t, c)
		p, tape := newLivePath(ModeFull)
		in := r.Open(p, loopback)
		defer in.Close()
		ours := identity(t)
		for n, profile := range []dtls.SRTPProtectionProfile{dtls.SRTP_AEAD_AES_256_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80} {
			client, theirs := testSender(t), identity(t)
			to := addLine(t, p, in, 0, client)
			spec := LineSpec{Ours: true, Source: client.LocalAddr().(*net.UDPAddr).AddrPort(), Formats: g711, Receiving: true, Secure: true, DTLS: true}
			p.SetLine(0, time.Now().UnixNano(), spec)
			for range 2 { // a re-INVITE that repeats it changes nothing
				in.Secure(0, ours, []string{"sha-512 00", theirs.Fingerprint()}, func(err error) { t.Error(err) })
			}
			send(t, client, to, voice(0)) // too early: in clear
			s, err := shakeHands(t, client, to, theirs, ours.Fingerprint(), profile)
			if err != nil {
				t.Fatal(err)
			}
			before := p.Counts()[0].Kept
			deadline := time.Now().Add(10 * time.Second)
			for i := 1; p.Counts()[0].Kept == before && time.Now().Before(deadline); i++ {
				// Our side may have its keys a moment after the client.
				send(t, client, to, s.encrypt(t, says(i)))
				in.Drain()
			}
			p.SetLine(0, time.Now().UnixNano(), spec) // an answer is described anew
			in.Drain()
			kept := len(tape.packets())
			send(t, client, to, s.encrypt(t, says(1000)))
			tape.await(t, kept+1)
			all := tape.packets()
			if last := all[len(all)-1]; kept == 0 || string(last.Data) != string(says(1000)) {
				t.Errorf("association %d: the last of %d packets on tape is not the one sent", n, len(all))
			}
		}
	})
}

// A certificate that was not signalled makes no keys, and it is told.
func TestJ08_AnotherFingerprint(t *testing.T) {
	r := newTestReceiver(t, ReceiverConfig{Tick: 10 * time.Millisecond})
	p, tape := newLivePath(ModeFull)
	in := r.Open(p, loopback)
	client := testSender(t)
	to := addLine(t, p, in, 0, client)
	p.SetLine(0, time.Now().UnixNano(), LineSpec{Formats: g711, Receiving: true, Secure: true, DTLS: true})
	ours, failed := identity(t), make(chan error, 10)
	in.Secure(0, ours, []string{identity(t).Fingerprint()}, func(err error) { failed <- err })
	if _, err := shakeHands(t, client, to, identity(t), ours.Fingerprint(), dtls.SRTP_AEAD_AES_128_GCM); err == nil {
		t.Error("the handshake succeeds")
	}
	select {
	case err := <-failed:
		if !strings.Contains(err.Error(), "fingerprint that was signalled") {
			t.Errorf("told: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("nobody is told")
	}
	send(t, testSender(t), to, voice(1))
	in.Close()
	if n := len(tape.packets()); n != 0 {
		t.Errorf("%d packets on tape", n)
	}
}

// A line that is closed in the middle of a handshake is closed at once.
func TestHandshakeEndsWithItsLine(t *testing.T) {
	r := newTestReceiver(t, ReceiverConfig{Tick: 10 * time.Millisecond})
	p, _ := newLivePath(ModeFull)
	in := r.Open(p, loopback)
	client := testSender(t)
	to := addLine(t, p, in, 0, client)
	p.SetLine(0, time.Now().UnixNano(), LineSpec{Formats: g711, Receiving: true, Secure: true, DTLS: true})
	in.Secure(0, identity(t), []string{identity(t).Fingerprint()}, func(err error) { t.Error(err) })
	send(t, client, to, append([]byte{22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 30, 1}, make([]byte, 40)...)) // the beginning of nothing
	in.Drain()
	begin := time.Now()
	in.CloseLine(0)
	in.Secure(0, identity(t), []string{"x"}, func(error) {}) // no line any more: nothing happens
	in.Close()
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("closing took %v", d)
	}
}

// What a peer says when its line's handshake has been ended is no packet that
// fails to authenticate.
func TestLastWordsOfDTLSAreNoPackets(t *testing.T) {
	p, _ := newLivePath(ModeFull)
	p.SetLine(0, callAt, LineSpec{Formats: g711, Receiving: true, Secure: true, DTLS: true})
	alert := []byte{21, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 1, 0, 2, 1, 0}
	p.setWire(0, &dtlsWire{})
	p.setWire(0, nil)
	p.Packet(0, false, callAt+ms, srcAddr, alert)
	if c := p.Counts()[0]; c.Refused != 0 || c.Unauthenticated != 0 {
		t.Errorf("%+v", c)
	}
}

func TestKnownFingerprint(t *testing.T) {
	id := identity(t)
	for s, want := range map[string]bool{
		id.Fingerprint():                  true,
		fingerprint("sha-1", []byte("x")): true,
		"md5 00:11":                       false,
		"sha-256 AB":                      false,
		"":                                false,
		"sha-256":                         false,
	} {
		if KnownFingerprint(s) != want {
			t.Errorf("%q: %v", s, !want)
		}
	}
}
