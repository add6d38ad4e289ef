package replay

import (
	"encoding/base64"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/srtp/v3"

	"siprecd/media"
	"siprecd/store"
)

// sealer encrypts as one suite has it; line is its a=crypto.
func sealer(t *testing.T, tag int) (line string, seal func([]byte) []byte) {
	t.Helper()
	k, err := media.NewMasterKey("AES_CM_128_HMAC_SHA1_80")
	if err != nil {
		t.Fatal(err)
	}
	ctx, err := srtp.CreateContext(k.Key[:16], k.Key[16:], srtp.ProtectionProfileAes128CmHmacSha1_80)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("a=crypto:%d %s inline:%s\r\n", tag, k.Suite, base64.StdEncoding.EncodeToString(k.Key)), func(b []byte) []byte {
		b, err := ctx.EncryptRTP(nil, b, nil)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
}

// TestEncryptedSession: of the keys in an offer the one counts that the recorder
// of the capture took; also when the capture is an ordinary call, where either
// side encrypts with its own.
func TestEncryptedSession(t *testing.T) {
	first, _ := sealer(t, 1)
	second, seal := sealer(t, 2)
	theirs, sealTheirs := sealer(t, 2)
	secure := func(text, crypto string) []byte {
		head, body, _ := strings.Cut(text, "\r\n\r\n")
		body = strings.ReplaceAll(body, "RTP/AVP 0\r\n", "RTP/SAVP 0\r\n"+crypto)
		at := strings.Index(head, "Content-Length:")
		return []byte(head[:at] + fmt.Sprintf("Content-Length: %d", len(body)) + "\r\n\r\n" + body)
	}
	for _, ordinary := range []bool{false, true} {
		invite, ok := inviteRS("one"), okRS("one")
		if ordinary {
			invite, ok = strings.NewReplacer("+sip.src", "x", "siprec", "x").Replace(invite), strings.ReplaceAll(ok, "+sip.srs", "x")
		}
		f := newFilm(t, linkEthernet)
		f.udp(alice, bob, secure(invite, first+second))
		f.udp(bob, alice, secure(ok, theirs))
		plan := planOf(t, f)
		if len(plan.Sessions) != 1 || plan.Forked != ordinary {
			t.Fatalf("ordinary %v: %d sessions, forked %v, %q", ordinary, len(plan.Sessions), plan.Forked, plan.Notes)
		}
		o := plan.Sessions[0].Offers[0]
		for n := range 50 {
			f.at = f.at.Add(20 * time.Millisecond)
			for i, p := range o.Places[:2] {
				from, seal := alice, seal
				if ordinary && i == 1 {
					from, seal = bob, sealTheirs
				}
				f.udp(netip.AddrPortFrom(from.Addr(), o.Media.Lines[i].Addr.Port()), p.To[0], seal(rtpPacket(i, n)))
			}
		}
		f.udp(alice, bob, []byte(byeRS("one")))
		rows, _ := playPlan(t, planOf(t, f), f.buf.Bytes())
		if len(rows) != 1 || rows[0].State != store.Sealed {
			t.Fatalf("ordinary %v: %+v", ordinary, rows)
		}
		for i, s := range rows[0].Streams {
			if s.Packets != 50 || s.Refused != 0 || s.SRTP != "AES_CM_128_HMAC_SHA1_80" {
				t.Errorf("ordinary %v, line %d: %+v", ordinary, i, s)
			}
		}
	}
}

// TestDeclaredKeys: RTP alone, with keys from a file.
func TestDeclaredKeys(t *testing.T) {
	crypto, seal := sealer(t, 1)
	to := netip.MustParseAddrPort("192.0.2.2:6000")
	f := newFilm(t, linkEthernet)
	for n := range 50 {
		f.at = f.at.Add(20 * time.Millisecond)
		f.udp(alice, to, seal(rtpPacket(0, n)))
	}
	keys, err := ReadKeys(strings.NewReader("# from the SBC\n\n192.0.2.2:6000 " + crypto))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := Survey(strings.NewReader(f.buf.String()), []Declared{{To: to, Label: "2001", Crypto: keys[to]}})
	if err != nil {
		t.Fatal(err)
	}
	rows, _ := playPlan(t, plan, f.buf.Bytes())
	if len(rows) != 1 || rows[0].State != store.Sealed || rows[0].Streams[0].Packets != 50 {
		t.Fatalf("%+v", rows)
	}
	for _, bad := range []string{"1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0", "192.0.2.2:6000 1 AES_CM_128_HMAC_SHA1_80 c2VjcmV0", "192.0.2.2:6000"} {
		if _, err := ReadKeys(strings.NewReader("\n" + bad)); err == nil || !strings.Contains(err.Error(), "line 2") || strings.Contains(err.Error(), "c2Vj") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// Of RTP alone nothing is missing, neither before its first packet came nor
// behind its last.
func TestRTPAloneIsWhole(t *testing.T) {
	to := netip.MustParseAddrPort("192.0.2.2:6000")
	f := newFilm(t, linkEthernet)
	for n := range 50 {
		f.at = f.at.Add(19 * time.Millisecond) // and one that the film adds
		f.udp(alice, to, rtpPacket(0, n))
	}
	plan, err := Survey(strings.NewReader(f.buf.String()), []Declared{{To: to, Label: "2001"}})
	if err != nil {
		t.Fatal(err)
	}
	rows, _ := playPlan(t, plan, f.buf.Bytes())
	if len(rows) != 1 || math.Abs(rows[0].Duration-1) > 0.002 || len(rows[0].Streams[0].Gaps) != 0 {
		t.Fatalf("%+v", rows)
	}
}
