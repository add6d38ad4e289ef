package media

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/logging"
)

// Identity is our certificate for DTLS-SRTP. It is signed by nobody: its
// fingerprint goes through signalling (RFC 5763).
type Identity struct {
	certificate tls.Certificate
	fingerprint string
}

// NewIdentity makes a key and a certificate for it.
func NewIdentity() (*Identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("dtls: %w", err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return nil, fmt.Errorf("dtls: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, NotBefore: time.Now().AddDate(0, 0, -1), NotAfter: time.Now().AddDate(10, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("dtls: %w", err)
	}
	return &Identity{
		certificate: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		fingerprint: fingerprint("sha-256", der),
	}, nil
}

// Fingerprint is what a=fingerprint says of us: "sha-256 AB:CD:…".
func (id *Identity) Fingerprint() string { return id.fingerprint }

// fingerprint is a certificate's as RFC 8122 section 5 writes it, "" by a hash
// that is not known.
func fingerprint(hash string, certificate []byte) string {
	var sum []byte
	switch hash {
	case "sha-1":
		s := sha1.Sum(certificate)
		sum = s[:]
	case "sha-256":
		s := sha256.Sum256(certificate)
		sum = s[:]
	case "sha-384":
		s := sha512.Sum384(certificate)
		sum = s[:]
	case "sha-512":
		s := sha512.Sum512(certificate)
		sum = s[:]
	default:
		return ""
	}
	return hash + " " + strings.ReplaceAll(fmt.Sprintf("% X", sum), " ", ":")
}

// KnownFingerprint reports whether a=fingerprint, hash in lower and digits in
// upper case, is by a hash we can compute and of its length.
func KnownFingerprint(s string) bool {
	hash, _, _ := strings.Cut(s, " ")
	known := fingerprint(hash, nil)
	return known != "" && len(known) == len(s)
}

// dtlsProfiles are what use_srtp may settle on, the preferred first.
var dtlsProfiles = []struct {
	id    dtls.SRTPProtectionProfile
	suite string
}{
	{dtls.SRTP_AEAD_AES_256_GCM, "AEAD_AES_256_GCM"},
	{dtls.SRTP_AEAD_AES_128_GCM, "AEAD_AES_128_GCM"},
	{dtls.SRTP_AES128_CM_HMAC_SHA1_80, "AES_CM_128_HMAC_SHA1_80"},
	{dtls.SRTP_AES128_CM_HMAC_SHA1_32, "AES_CM_128_HMAC_SHA1_32"},
}

// dtlsTimeout bounds one handshake.
const dtlsTimeout = 20 * time.Second

// handshake makes the keys of one line. newHandshake's caller starts run; end
// ends and awaits it.
type handshake struct {
	path   *Path
	line   int
	id     *Identity
	peers  []string // fingerprints
	failed func(error)
	wire   *dtlsWire
	cancel context.CancelFunc
	done   chan struct{}

	stranger atomic.Bool // a certificate was refused; the library reports it as one of many errors
}

var errStranger = errors.New("the certificate shown has not the fingerprint that was signalled")

func newHandshake(p *Path, line int, id *Identity, peers []string, send func(netip.AddrPort, []byte) error, failed func(error)) *handshake {
	return &handshake{
		path: p, line: line, id: id, peers: slices.Clone(peers), failed: failed,
		wire: newDTLSWire(send), done: make(chan struct{}),
	}
}

// run waits for a peer to begin, and again when it came to nothing. ready is
// called once, when keys were made or it has ended.
func (h *handshake) run(ctx context.Context, ready func()) {
	ready = sync.OnceFunc(ready)
	defer close(h.done)
	defer ready()
	for h.wire.first(ctx) {
		conn, err := h.shake(ctx)
		if err == nil {
			ready()
			// The connection lives on, to repeat our last flight if it was lost.
			_, _ = io.Copy(io.Discard, conn)
			_ = conn.Close()
			continue
		}
		if h.stranger.Swap(false) {
			err = errStranger
		}
		if !errors.Is(err, context.Canceled) {
			h.failed(err)
		}
	}
}

// shake is one handshake; its keys go to the path.
func (h *handshake) shake(ctx context.Context) (*dtls.Conn, error) {
	var profiles []dtls.SRTPProtectionProfile
	for _, p := range dtlsProfiles {
		profiles = append(profiles, p.id)
	}
	conn, err := dtls.ServerWithOptions(h.wire, h.wire.RemoteAddr(),
		dtls.WithCertificates(h.id.certificate),
		dtls.WithClientAuth(dtls.RequireAnyClientCert),
		dtls.WithVerifyPeerCertificate(h.verify),
		dtls.WithExtendedMasterSecret(dtls.RequestExtendedMasterSecret),
		dtls.WithSRTPProtectionProfiles(profiles...),
		dtls.WithLoggerFactory(&logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled}),
	)
	if err != nil {
		return nil, err
	}
	bounded, cancel := context.WithTimeout(ctx, dtlsTimeout)
	defer cancel()
	if err := conn.HandshakeContext(bounded); err != nil {
		_ = conn.Close()
		return nil, err
	}
	theirs, own, err := keysOf(conn)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	// A cancelled line closes the connection under whoever reads it.
	context.AfterFunc(ctx, func() { _ = conn.Close() })
	h.path.setKeys(h.line, time.Now().UnixNano(), []MasterKey{theirs}, own)
	return conn, nil
}

// verify lets in whom signalling named (RFC 5763 section 5).
func (h *handshake) verify(certificates [][]byte, _ [][]*x509.Certificate) error {
	for _, peer := range h.peers {
		hash, _, _ := strings.Cut(peer, " ")
		if len(certificates) > 0 && fingerprint(hash, certificates[0]) == peer {
			return nil
		}
	}
	h.stranger.Store(true)
	return errStranger
}

// keysOf are the keys of the side that began, and ours (RFC 5764 section 4.2):
// both keys, then both salts.
func keysOf(conn *dtls.Conn) (theirs, own MasterKey, err error) {
	id, _ := conn.SelectedSRTPProtectionProfile()
	for _, p := range dtlsProfiles {
		if p.id != id {
			continue
		}
		s, err := suiteOf(p.suite)
		if err != nil {
			return theirs, own, err
		}
		state, _ := conn.ConnectionState()
		all, err := state.ExportKeyingMaterial("EXTRACTOR-dtls_srtp", nil, 2*(s.key+s.salt))
		if err != nil {
			return theirs, own, err
		}
		keys, salts := all[:2*s.key], all[2*s.key:]
		theirs = MasterKey{Suite: s.name, Key: slices.Concat(keys[:s.key], salts[:s.salt])}
		own = MasterKey{Suite: s.name, Key: slices.Concat(keys[s.key:], salts[s.salt:])}
		if mki, _ := conn.RemoteSRTPMasterKeyIdentifier(); len(mki) > 0 {
			theirs.MKI = slices.Clone(mki)
		}
		return theirs, own, nil
	}
	return theirs, own, errors.New("the two sides agreed on no way to encrypt (use_srtp)")
}

// end ends the handshake and waits for it.
func (h *handshake) end() {
	h.cancel()
	<-h.done
}
