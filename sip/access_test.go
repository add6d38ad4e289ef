package sip

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"
)

// authority is a certificate authority of one test.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, IsCA: true,
		BasicConstraintsValid: true, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{key: key, pool: x509.NewCertPool()}
	a.cert, _ = x509.ParseCertificate(der)
	a.pool.AddCert(a.cert)
	return a
}

func (a *authority) issue(t *testing.T, name string) tls.Certificate {
	t.Helper()
	return a.issueUntil(t, name, time.Now().Add(time.Hour))
}

func (a *authority) issueUntil(t *testing.T, name string, until time.Time) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: until.Add(-2 * time.Hour), NotAfter: until,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (a *authority) serverConfig(t *testing.T) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{a.issue(t, "srs.example")}}
}

func TestJ01_TLS(t *testing.T) {
	ca := newAuthority(t)
	s := listen(t, "tls", func(s *served) {
		s.Listen[0].TLS = &tls.Config{Certificates: []tls.Certificate{ca.issue(t, "srs.example")}, MinVersion: tls.VersionTLS10}
	})
	c := s.dial(t)
	if h := c.start(); !strings.Contains(h.header("Contact"), ";transport=tls>") {
		t.Error(h.raw)
	}
	c.request(200, "BYE", "", "")
	s.end(t, "src", "bye")
	if conn, err := tls.Dial("tcp", s.Addr(0).String(), &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}); err == nil {
		conn.Close()
		t.Error("TLS 1.1 was accepted")
	}
}

func TestJ02_MutualTLS(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	s := listen(t, "tls", func(s *served) {
		s.Listen[0].TLS = &tls.Config{Certificates: []tls.Certificate{ca.issue(t, "srs.example")}, ClientCAs: ca.pool, ClientAuth: tls.RequireAndVerifyClientCert}
		listed(Source{Name: "sbc", Networks: anywhere, CertSANs: []string{"sbc.example"}})(s)
	})
	dial := func(certs ...tls.Certificate) *src {
		conn, err := tls.Dial("tcp", s.Addr(0).String(), &tls.Config{RootCAs: ca.pool, Certificates: certs})
		if err != nil {
			return nil
		}
		t.Cleanup(func() { conn.Close() })
		return newSRC(t, conn, "tls")
	}
	c := dial(ca.issue(t, "sbc.example"))
	c.start()
	if got := (<-s.live).Info().Source; got != "sbc" {
		t.Errorf("source %q", got)
	}
	for name, certs := range map[string][]tls.Certificate{
		"none": nil, "expired": {ca.issueUntil(t, "sbc.example", time.Now().Add(-time.Minute))}, "another authority": {other.issue(t, "sbc.example")}, "another name": {ca.issue(t, "thief.example")},
	} {
		c := dial(certs...)
		if c == nil {
			continue
		}
		c.raw.Write([]byte(c.compose("OPTIONS", "", "")))
		if raw := c.recv(5 * time.Second); raw != nil {
			t.Errorf("%s: answered %s", name, raw)
		}
	}
}

func TestA10_CertificateNeededOverUDPGetsNothing(t *testing.T) {
	s := listen(t, "udp", listed(Source{Name: "sbc", Networks: anywhere, CertSANs: []string{"sbc.example"}}))
	c := s.dial(t)
	c.write(c.compose("OPTIONS", "", ""))
	c.silent(150 * time.Millisecond)
	if who := s.Strangers(); who.Count != 1 || !who.Last.IsLoopback() || who.LastHeard.IsZero() {
		t.Errorf("strangers %+v", who)
	}
}

func TestSourceKnownByItsAccountAlone(t *testing.T) {
	s := listen(t, "udp", listed(Source{Name: "pbx", Digest: &Digest{Realm: "siprecd", User: "pbx", Password: "secret"}}))
	s.dial(t).invite(401)
	if who := s.Strangers(); who.Count != 0 {
		t.Errorf("strangers %+v", who)
	}
}

func TestH23_Digest(t *testing.T) {
	account := &Digest{Realm: "siprecd", User: "pbx", Password: "secret"}
	s := listen(t, "udp", listed(Source{Name: "pbx", Networks: anywhere, Digest: account}))
	sums := map[string]func(string) string{
		"MD5":     func(v string) string { b := md5.Sum([]byte(v)); return hex.EncodeToString(b[:]) },
		"SHA-256": func(v string) string { b := sha256.Sum256([]byte(v)); return hex.EncodeToString(b[:]) },
	}
	for algorithm, sum := range sums {
		t.Run(algorithm, func(t *testing.T) {
			c := s.dial(t)
			login := func(password, nonce string) string {
				ha := sum(sum("pbx:siprecd:"+password) + ":" + nonce + ":00000001:cc:auth:" + sum("INVITE:sip:srs@siprecd.example"))
				return fmt.Sprintf(`Authorization: Digest username="pbx", realm="siprecd", nonce="%s", uri="sip:srs@siprecd.example", response="%s", algorithm=%s, qop=auth, nc=00000001, cnonce="cc"`, nonce, ha, algorithm)
			}
			challenge := func(h heard) string {
				t.Helper()
				for _, x := range h.headers {
					if x.name == "WWW-Authenticate" && strings.Contains(x.value, "algorithm="+algorithm+",") {
						return digestParams(x.value[7:])["nonce"]
					}
				}
				t.Fatalf("no challenge:\n%s", h.raw)
				return ""
			}
			nonce := challenge(c.invite(401))
			c.absorb()
			nonce = challenge(c.invite(401, login("wrong", nonce)))
			c.absorb()
			used := nonce
			c.invite(200, login("secret", nonce))
			c.ack()
			c.request(200, "BYE", "", "")
			c.to, c.target = "", ""
			c.invite(401, login("secret", used)) // a nonce is good once
			c.absorb()
		})
	}
}

func TestSlowConnectionIsClosed(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	slow := &deadlines{Conn: b}
	done := make(chan error, 1)
	go func() { done <- readStream(&stream{conn: slow}, func(*Message, error) bool { return true }) }()
	a.Write([]byte("OPTIONS sip:x SIP/2.0\r\n"))
	a.Write([]byte("Via: SIP/2.0/TCP h\r\n"))
	a.Close()
	<-done
	if len(slow.set) != 2 || slow.set[0] > firstLine || slow.set[1] > wholeMessage {
		t.Errorf("deadlines %v: a slow sender must not renew them", slow.set)
	}
}

type deadlines struct {
	net.Conn
	set []time.Duration
}

func (d *deadlines) SetReadDeadline(at time.Time) error {
	d.set = append(d.set, time.Until(at))
	return nil
}

func TestConnectionsPerSource(t *testing.T) {
	s := listen(t, "tcp", nil)
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for range perPeer + 1 {
		conn, err := net.Dial("tcp", s.Addr(0).String())
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
	}
	last := conns[perPeer]
	last.SetReadDeadline(time.Now().Add(3 * time.Second))
	if _, err := last.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Errorf("connection %d was kept: %v", perPeer+1, err)
	}
	first := newSRC(t, conns[0], "tcp")
	first.request(200, "OPTIONS", "", "")
}

// Nothing that names a person or carries a body may reach the log.
func TestLogNamesNobody(t *testing.T) {
	var log bytes.Buffer
	s := listen(t, "udp", func(s *served) {
		s.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	c := s.dial(t)
	c.write(alter(c.compose("INVITE", "application/sdp", offerSDP, "P-Asserted-Identity: <tel:+82105550101>"), "Max-Forwards", "Max-Forwards: x"))
	c.response(400)
	c.start("P-Asserted-Identity: <tel:+82105550101>")
	c.request(200, "BYE", "", "")
	s.end(t, "src", "bye")
	for _, secret := range []string{"5550101", "m=audio", "pbx.example"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log holds %q:\n%s", secret, log.String())
		}
	}
}

func TestNextHop(t *testing.T) {
	from := netip.MustParseAddrPort("203.0.113.9:6000")
	for uri, want := range map[string]string{
		"sip:src@203.0.113.9":                     "203.0.113.9:5060",
		"sip:src@198.51.100.4:5070":               "198.51.100.4:5070",
		"sips:src@198.51.100.4":                   "198.51.100.4:5061",
		"sip:src@10.0.0.4":                        "203.0.113.9:6000", // behind a NAT
		"sip:src@pbx.example":                     "203.0.113.9:6000",
		"sip:src@[2001:db8::7]:5062":              "[2001:db8::7]:5062",
		"sip:src@224.0.0.1":                       "203.0.113.9:6000",
		"tel:+82318036000":                        "203.0.113.9:6000",
		"sip:src@203.0.113.9:99999;transport=tcp": "203.0.113.9:6000",
	} {
		if got := nextHop(&Message{RequestURI: uri}, from).String(); got != want {
			t.Errorf("%s goes to %s, want %s", uri, got, want)
		}
	}
}
