package media

import (
	"net/netip"
	"testing"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

// SRTP costs no allocation, whether a packet can be opened or not.
func TestSRTPAllocatesNothing(t *testing.T) {
	for _, suite := range SRTPSuites() {
		p := quietPath(t, suite)
		at, index := callAt, uint64(0)
		good, bad, rtcp := make([]byte, 0, 400), make([]byte, 0, 400), make([]byte, 0, 100)
		clear := says(0)
		report := newPeer(t, suite).rtcp([]byte{0x80, 200, 0, 1, 0, 0, 0, 1})
		if n := testing.AllocsPerRun(500, func() {
			at += 20 * ms
			index++
			clear[2], clear[3] = byte(index>>8), byte(index)
			good = p.key.sealRTP(good[:0], clear, 12, index)
			p.Packet(0, false, at, srcAddr, good)
			bad = append(append(bad[:0], clear...), "0123456789abcdef"...)
			bad[3]++
			bad[8] = byte(index) // ever another SSRC
			p.Packet(0, false, at, srcAddr, bad)
			p.Packet(0, true, at, srcAddr, append(rtcp[:0], report...))
		}); n != 0 {
			t.Errorf("%s: %v allocations", suite, n)
		}
		if c := counts(p.Path); c.Received != 501 || c.Unauthenticated != 2*501 {
			t.Errorf("%s: counted %+v", suite, c)
		}
	}
}

type sealedPath struct {
	*Path
	key *srtpKey // of its line 0
}

func quietPath(t testing.TB, suite string) sealedPath {
	p := NewPath(PathConfig{Sink: Sink{Append: func(Kind, int64, uint16, []byte) {}}, Mode: ModeFull, Start: "*1", Stop: "*2"})
	src := newPeer(t, suite)
	p.SetLine(0, callAt, LineSpec{Ours: true, Source: netip.AddrPort{}, Latch: true, Receiving: true, Formats: g711, Secure: true, Keys: []MasterKey{src.master}})
	return sealedPath{p, readyKey(t, suite, src.master.Key)}
}

// BenchmarkSRTP opens packets of 20 ms; pion's library beside ours. "forged" is
// a packet under another key, from ever another SSRC.
func BenchmarkSRTP(b *testing.B) {
	for _, suite := range []string{"AES_CM_128_HMAC_SHA1_80", "AES_256_CM_HMAC_SHA1_80", "AEAD_AES_128_GCM", "AEAD_AES_256_GCM"} {
		const n = 1 << 14
		src := newPeer(b, suite)
		k := readyKey(b, suite, src.master.Key)
		sealed := make([][]byte, n)
		for i := range sealed {
			sealed[i] = k.sealRTP(nil, says(i), 12, uint64(i))
		}
		buf := make([]byte, 0, 400)
		b.Run(suite+"/path", func(b *testing.B) {
			b.ReportAllocs()
			p, at := quietPath(b, suite), callAt
			for i := 0; b.Loop(); i++ {
				if i%n == 0 {
					p = quietPath(b, suite)
					p.SetLine(0, callAt, LineSpec{Receiving: true, Formats: g711, Secure: true, Keys: []MasterKey{src.master}})
				}
				at += 20 * ms
				p.Packet(0, false, at, srcAddr, append(buf[:0], sealed[i%n]...))
			}
			if c := counts(p.Path); c.Refused != 0 {
				b.Fatalf("counted %+v", c)
			}
		})
		b.Run(suite+"/pion", func(b *testing.B) {
			b.ReportAllocs()
			p, header := newReader(b, src), &rtp.Header{}
			for i := 0; b.Loop(); i++ {
				if i%n == 0 {
					p = newReader(b, src)
				}
				if _, err := p.DecryptRTP(buf[:0], sealed[i%n], header); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(suite+"/forged/path", func(b *testing.B) {
			b.ReportAllocs()
			p, at := quietPath(b, suite), callAt
			for i := 0; b.Loop(); i++ {
				at += 20 * ms
				packet := append(buf[:0], sealed[i%n]...)
				packet[8] = byte(i)
				p.Packet(0, false, at, srcAddr, packet)
			}
		})
		b.Run(suite+"/forged/pion", func(b *testing.B) {
			b.ReportAllocs()
			p, header := newReader(b, newPeer(b, suite)), &rtp.Header{}
			for i := 0; b.Loop(); i++ {
				packet := append(buf[:0], sealed[i%n]...)
				packet[8] = byte(i)
				if _, err := p.DecryptRTP(packet, packet, header); err == nil {
					b.Fatal("opened")
				}
			}
		})
	}
}

func newReader(t testing.TB, src *peer) *srtp.Context {
	t.Helper()
	s, _ := suiteOf(src.master.Suite)
	c, err := srtp.CreateContext(src.master.Key[:s.key], src.master.Key[s.key:], profiles[s.name], srtp.SRTPReplayProtection(64))
	if err != nil {
		t.Fatal(err)
	}
	return c
}
