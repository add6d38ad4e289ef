package media

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/pion/srtp/v3"
	"pgregory.net/rapid"
)

// TestJ05_Suites: what is on tape is what was encrypted, with every suite, with
// and without MKI, RTP of any shape and RTCP, also where it is only signed.
func TestJ05_Suites(t *testing.T) {
	for _, suite := range SRTPSuites() {
		for _, mki := range [][]byte{nil, {0, 0, 0, 7}} {
			t.Run(fmt.Sprintf("%s mki %x", suite, mki), func(t *testing.T) {
				path, tape := newTestPath(ModeFull)
				src := newPeer(t, suite, mki...)
				secureLine(path, callAt, src)
				var sent []string
				for i := range 50 {
					clear := says(i)
					switch i {
					case 1: // two CSRCs
						clear[0] |= 2
						clear = bytes.Join([][]byte{clear[:12], []byte("csrcCSRC"), clear[12:]}, nil)
					case 2: // an extension
						clear[0] |= 0x10
						clear = bytes.Join([][]byte{clear[:12], {0xbe, 0xde, 0, 1, 0x10, 9, 0, 0}, clear[12:]}, nil)
					case 3: // padding, which is encrypted too
						clear[0] |= 0x20
						clear = append(clear, 0, 0, 0, 4)
					case 4:
						clear = clear[:12]
					}
					sent = append(sent, string(clear))
					path.Packet(0, false, callAt+int64(i)*20*ms, srcAddr, src.rtp(clear))
				}
				report := append([]byte{0x80, 200, 0, 6, 0, 0, 0x11, 0x11}, make([]byte, 20)...)
				path.Packet(0, true, callAt+ms, srcAddr, src.rtcp(report))
				if got := tape.onTape(KindPacket); strings.Join(got, "") != strings.Join(sent, "") {
					t.Errorf("%d packets on tape differ from the %d sent", len(got), len(sent))
				}
				if got := tape.onTape(KindRTCP); len(got) != 1 || got[0] != string(report) {
					t.Errorf("RTCP on tape: %q", got)
				}
				if c := counts(path); c.Received != 50 || c.RTCP != 1 || c.Refused != 0 {
					t.Errorf("counted %+v", c)
				}
			})
		}
	}
}

// Our own way of sealing, which the Sender uses, is understood by others.
func TestSealedIsOpenedByOthers(t *testing.T) {
	for _, suite := range SRTPSuites() {
		for _, mki := range [][]byte{nil, {9}} {
			src := newPeer(t, suite, mki...)
			k := readyKey(t, suite, src.master.Key, mki...)
			for i := range 3 {
				sealed := k.sealRTP(nil, says(i), 12, uint64(i))
				clear, err := src.ctx.DecryptRTP(nil, sealed, nil)
				if err != nil || !bytes.Equal(clear, says(i)) {
					t.Errorf("%s mki %x: %v", suite, mki, err)
				}
			}
		}
	}
}

// Wrong key, clear RTP, damage, junk: refused and counted, and whoever has the
// key is heard all the same.
func TestJ03_OnlyTheKeyOpensTheLine(t *testing.T) {
	for _, suite := range SRTPSuites() {
		path, tape := newTestPath(ModeFull)
		src, other := newPeer(t, suite), newPeer(t, suite)
		secureLine(path, callAt, src)
		at := callAt
		packet := func(b []byte) { at += 20 * ms; path.Packet(0, false, at, srcAddr, b) }
		packet(other.rtp(says(1)))
		packet(says(2))
		damaged := src.rtp(says(3))
		damaged[20] ^= 1
		packet(damaged)
		header := src.rtp(says(4))
		header[4] ^= 1
		packet(header)
		packet(src.rtp(says(5))[:13])
		packet([]byte{0x80, 0})
		packet(nil)
		path.Packet(0, true, at, srcAddr, append([]byte{0x80, 200, 0, 1}, make([]byte, 30)...))
		const junk = 8
		if c := counts(path); c.Unauthenticated != junk || c.Refused != junk || c.Received != 0 || tape.count(KindPacket)+tape.count(KindRTCP) != 0 {
			t.Errorf("%s: counted %+v, %d on tape", suite, c, tape.count(KindPacket))
		}
		packet(src.rtp(says(6)))
		if got := tape.onTape(KindPacket); len(got) != 1 || got[0] != string(says(6)) {
			t.Errorf("%s: %d packets on tape", suite, len(got))
		}
	}
}

// A line that must be encrypted and has no key yet takes nothing; one without
// encryption is not looked at.
func TestSecureWithoutKeys(t *testing.T) {
	path, tape := newTestPath(ModeFull)
	secureLine(path, callAt)
	path.Packet(0, false, callAt, srcAddr, says(1))
	path.Packet(0, true, callAt, srcAddr, []byte{0x80, 200, 0, 1, 0, 0, 0, 1})
	path.Packet(1, false, callAt, srcAddr, says(1))
	if c := counts(path); c.Unauthenticated != 2 || tape.count(KindPacket) != 1 {
		t.Errorf("counted %+v, %d on tape", c, tape.count(KindPacket))
	}
}

func TestReplayedPacketsAreRefused(t *testing.T) {
	path, tape := newTestPath(ModeFull)
	src := newPeer(t, "AES_CM_128_HMAC_SHA1_80")
	secureLine(path, callAt, src)
	var kept [][]byte
	for i := range 600 {
		sealed := src.rtp(says(i))
		kept = append(kept, bytes.Clone(sealed))
		path.Packet(0, false, callAt+int64(i)*20*ms, srcAddr, sealed)
	}
	for _, again := range []int{599, 598, 400, 345, 343, 0} {
		path.Packet(0, false, callAt+12000*ms, srcAddr, bytes.Clone(kept[again]))
	}
	report := src.rtcp([]byte{0x80, 200, 0, 1, 0, 0, 0, 1})
	path.Packet(0, true, callAt+12000*ms, srcAddr, bytes.Clone(report))
	path.Packet(0, true, callAt+12000*ms, srcAddr, report)
	if c := counts(path); c.Replayed != 7 || c.Received != 600 || c.RTCP != 1 || c.Unauthenticated != 0 || tape.count(KindPacket) != 600 {
		t.Errorf("counted %+v, %d on tape", c, tape.count(KindPacket))
	}
}

// Reordered packets within the window are all taken, once each.
func TestReplayWindowProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w replayWindow
		seen := map[uint64]bool{}
		at := rapid.Uint64Range(0, 1<<20).Draw(t, "start")
		for range rapid.IntRange(1, 200).Draw(t, "packets") {
			step := rapid.Int64Range(-300, 300).Draw(t, "step")
			if rapid.IntRange(0, 20).Draw(t, "jump") == 0 {
				step += rapid.Int64Range(0, 30000).Draw(t, "far")
			}
			if step < 0 && at < uint64(-step) {
				continue
			}
			index := at + uint64(step)
			tooOld := w.highest >= index && w.highest-index >= replayWidth
			if got, want := w.seen(index), seen[index] || tooOld; got != want {
				t.Fatalf("index %d after %d: seen %v, want %v", index, w.highest, got, want)
			}
			if !w.seen(index) {
				w.accept(index)
				seen[index] = true
				at = max(at, index)
			}
			if estimate, ok := w.estimate(uint16(index)); ok && w.highest-index < 1<<15 && estimate != index {
				t.Fatalf("index %d is estimated as %d from %d", index, estimate, w.highest)
			}
		}
	})
}

// TestJ06_Rollover: the counter is followed from a first packet near the end of
// the sequence numbers, through reordering at the wrap, for 70,000 packets and
// on through many more wraps.
func TestJ06_Rollover(t *testing.T) {
	path, tape := newTestPath(ModeFull)
	k := newPeer(t, "AES_CM_128_HMAC_SHA1_32")
	secureLine(path, callAt, k)
	ours := readyKey(t, k.master.Suite, k.master.Key)
	at, sent := callAt, int64(0)
	send := func(index uint64) {
		at += 20 * ms
		sent++
		path.Packet(0, false, at, srcAddr, ours.sealRTP(nil, says(int(index&0xffff)), 12, index))
	}
	for index := uint64(65533); index < 65533+70000; index += 2 {
		send(index + 1)
		send(index)
		tape.records = tape.records[:0]
	}
	// Losses of up to half the numbers leave no doubt.
	for index := uint64(140000); index < 255<<16; index += 32000 {
		send(index)
	}
	if c := counts(path); c.Received != sent || c.Refused != 0 {
		t.Errorf("%d sent, counted %+v", sent, c)
	}
}

// TestJ06_LateJoin: a stream whose counter has long rolled over is found by its
// first packet; after a flood of junk by one of the first 32.
func TestJ06_LateJoin(t *testing.T) {
	for _, roc := range []uint64{0, 1, 3, 77, 255} {
		for _, junk := range []int{0, 3000} {
			path, _ := newTestPath(ModeFull)
			k := newPeer(t, "AES_CM_128_HMAC_SHA1_80")
			secureLine(path, callAt, k)
			ours := readyKey(t, k.master.Suite, k.master.Key)
			at := callAt
			for i := range junk {
				at += 20 * ms
				path.Packet(0, false, at, srcAddr, rtpBytes(pcmu, uint16(i), 0, uint32(i), make([]byte, 30)))
			}
			for i := range uint64(100) {
				at += 20 * ms
				path.Packet(0, false, at, srcAddr, ours.sealRTP(nil, says(int(i)), 12, roc<<16|i))
			}
			lost := counts(path).Unauthenticated - int64(junk)
			if junk == 0 && lost != 0 || lost > 33 {
				t.Errorf("counter at %d after %d junk packets: %d packets lost", roc, junk, lost)
			}
		}
	}
}

// A stream that was silent for more than half the sequence numbers is found again.
func TestRolloverMissedInALongSilence(t *testing.T) {
	path, _ := newTestPath(ModeFull)
	k := newPeer(t, "AEAD_AES_128_GCM")
	secureLine(path, callAt, k)
	ours := readyKey(t, k.master.Suite, k.master.Key)
	path.Packet(0, false, callAt, srcAddr, ours.sealRTP(nil, says(100), 12, 100))
	for i, index := range []uint64{100 + 40000, 3<<16 | 90, 4<<16 | 80} {
		path.Packet(0, false, callAt+int64(i+1)*900*nsPerSec, srcAddr, ours.sealRTP(nil, says(int(index&0xffff)), 12, index))
	}
	if c := counts(path); c.Received != 4 {
		t.Errorf("counted %+v", c)
	}
}

// TestJ07_NewKey: what was sent under the old key before a re-INVITE took effect
// is kept, for ten seconds; the counter goes on, or begins anew, as the SRC has it.
func TestJ07_NewKey(t *testing.T) {
	for _, suites := range [][2]string{
		{"AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_80"},
		{"AES_CM_128_HMAC_SHA1_32", "AEAD_AES_256_GCM"},
	} {
		for _, goesOn := range []bool{true, false} {
			path, tape := newTestPath(ModeFull)
			a, b := newPeer(t, suites[0]), newPeer(t, suites[1])
			keyA, keyB := readyKey(t, suites[0], a.master.Key), readyKey(t, suites[1], b.master.Key)
			secureLine(path, callAt, a)
			at := callAt
			send := func(k *srtpKey, index uint64) {
				at += 20 * ms
				path.Packet(0, false, at, srcAddr, k.sealRTP(nil, says(int(index&0xffff)), 12, index))
			}
			base := uint64(5 << 16)
			for i := range uint64(10) {
				send(keyA, base+i)
			}
			secureLine(path, at, b)
			next := base
			if !goesOn {
				next = 0
			}
			for i := uint64(10); i < 20; i++ { // on its way, mixed with the first of the new
				send(keyA, base+i)
				send(keyB, next+10+i)
			}
			if c := counts(path); c.Received != 30 || tape.count(KindPacket) != 30 {
				t.Fatalf("%v, goes on %v: counted %+v", suites, goesOn, c)
			}
			at += 11 * nsPerSec
			send(keyA, base+40)
			send(keyB, next+41)
			if c := counts(path); c.Received != 31 || c.Unauthenticated != 1 {
				t.Errorf("%v: the old key was not forgotten: %+v", suites, c)
			}
		}
	}
}

// A re-INVITE that repeats the keys forgets nothing of the stream.
func TestSameKeysAgain(t *testing.T) {
	path, _ := newTestPath(ModeFull)
	src := newPeer(t, "AES_CM_128_HMAC_SHA1_80")
	secureLine(path, callAt, src)
	sealed := src.rtp(says(1))
	path.Packet(0, false, callAt, srcAddr, bytes.Clone(sealed))
	for range 3 {
		secureLine(path, callAt+ms, src)
		path.Packet(0, false, callAt+ms, srcAddr, bytes.Clone(sealed))
	}
	if c := counts(path); c.Received != 1 || c.Replayed != 3 {
		t.Errorf("counted %+v", c)
	}
}

// TestJ06_SeveralKeys: keys of one line are told apart by their MKI.
func TestJ06_SeveralKeys(t *testing.T) {
	path, tape := newTestPath(ModeFull)
	a, b := newPeer(t, "AES_CM_128_HMAC_SHA1_80", 0, 1), newPeer(t, "AES_CM_128_HMAC_SHA1_80", 0, 2)
	unknown := newPeer(t, "AES_CM_128_HMAC_SHA1_80", 0, 3)
	secureLine(path, callAt, a, b)
	for i := range 30 {
		path.Packet(0, false, callAt+int64(i)*20*ms, srcAddr, []*peer{a, b, unknown}[i%3].rtp(says(i)))
	}
	if c := counts(path); c.Received != 20 || c.Unauthenticated != 10 || tape.count(KindPacket) != 20 {
		t.Errorf("counted %+v", c)
	}
}

// SRTP switched off by a re-INVITE: what was on its way is decrypted still.
func TestFromEncryptedToClear(t *testing.T) {
	path, tape := newTestPath(ModeFull)
	src := newPeer(t, "AES_CM_128_HMAC_SHA1_80")
	secureLine(path, callAt, src)
	path.Packet(0, false, callAt, srcAddr, src.rtp(says(1)))
	path.SetLine(0, callAt, LineSpec{Label: "1", Source: srcAddr, Receiving: true, Formats: g711})
	path.Packet(0, false, callAt, srcAddr, src.rtp(says(2)))
	path.Packet(0, false, callAt, srcAddr, says(3))
	path.Packet(0, false, callAt+11*nsPerSec, srcAddr, says(4))
	if got, want := strings.Join(tape.onTape(KindPacket), ""), string(says(1))+string(says(2))+string(says(3))+string(says(4)); got != want {
		t.Errorf("%d packets on tape are not those sent in clear", len(tape.onTape(KindPacket)))
	}
}

// Sixteen SSRCs have room under a key; one more is refused until one is idle.
func TestTooManyEncryptedSSRCs(t *testing.T) {
	path, _ := newTestPath(ModeFull)
	src := newPeer(t, "AES_CM_128_HMAC_SHA1_80")
	secureLine(path, callAt, src)
	send := func(at int64, ssrc uint32) {
		path.Packet(0, false, at, srcAddr, src.rtp(rtpBytes(pcmu, 1, 0, ssrc, make([]byte, 160))))
	}
	for i := range uint32(maxSSRCs + 1) {
		send(callAt, i)
	}
	if c := counts(path); c.Received != maxSSRCs || c.Refused != 1 || c.Unauthenticated != 0 {
		t.Errorf("counted %+v", c)
	}
	send(callAt+31*nsPerSec, 1000)
	if c := counts(path); c.Received != maxSSRCs+1 {
		t.Errorf("after 31 s: counted %+v", c)
	}
}

// Nothing that is printed, marshalled or put on tape beside the audio holds a key.
func TestJ12_KeysAreNotOnTape(t *testing.T) {
	path, tape := newTestPath(ModeFull)
	src := newPeer(t, "AES_CM_128_HMAC_SHA1_80", 1)
	spec := LineSpec{Label: "1", Receiving: true, Formats: g711, Secure: true, Keys: []MasterKey{src.master}}
	path.SetLine(0, callAt, spec)
	path.Packet(0, false, callAt, srcAddr, src.rtp(says(1)))
	if err := path.Finish(callAt + ms); err != nil {
		t.Fatal(err)
	}
	js, err := json.Marshal(struct {
		Spec LineSpec
		Key  MasterKey
	}{spec, src.master})
	if err != nil {
		t.Fatal(err)
	}
	shown := fmt.Sprintf("%v %+v %#v %x %s", spec, spec, spec, spec.Keys, spec.Keys) + string(js) + (MasterKey{Suite: "AEAD_AES_128_GCM", Key: src.master.Key}).Check().Error()
	for _, r := range tape.records {
		shown += string(r.Data)
	}
	for _, secret := range secrets(src.master.Key) {
		if strings.Contains(shown, secret) {
			t.Errorf("a key is shown as %q", secret)
		}
	}
}

// RTCP that is signed but not encrypted is taken, and RTCP that is signed with
// as short a tag as RTP.
func TestSRTCPOfOtherForms(t *testing.T) {
	report := append([]byte{0x80, 200, 0, 6, 0, 0, 0x11, 0x11}, make([]byte, 20)...)
	for _, suite := range []string{"AES_CM_128_HMAC_SHA1_80", "AEAD_AES_128_GCM"} {
		path, tape := newTestPath(ModeFull)
		src := newPeer(t, suite)
		s, _ := suiteOf(suite)
		ctx, err := srtp.CreateContext(src.master.Key[:s.key], src.master.Key[s.key:], profiles[suite], srtp.SRTCPNoEncryption())
		if err != nil {
			t.Fatal(err)
		}
		src.ctx = ctx
		secureLine(path, callAt, src)
		path.Packet(0, true, callAt, srcAddr, src.rtcp(report))
		if got := tape.onTape(KindRTCP); len(got) != 1 || got[0] != string(report) {
			t.Errorf("%s, not encrypted: %q on tape", suite, got)
		}
	}
	path, tape := newTestPath(ModeFull)
	src := newPeer(t, "AES_CM_128_HMAC_SHA1_32")
	secureLine(path, callAt, src)
	sealed := src.rtcp(report)
	path.Packet(0, true, callAt, srcAddr, sealed[:len(sealed)-6])
	if got := tape.onTape(KindRTCP); len(got) != 1 || got[0] != string(report) {
		t.Errorf("with a short tag: %q on tape", got)
	}
	forged := src.rtcp(report)
	forged[len(forged)-1] ^= 1
	path.Packet(0, true, callAt, srcAddr, forged)
	if c := counts(path); c.Unauthenticated != 1 || c.RTCP != 1 {
		t.Errorf("forged: counted %+v", c)
	}
}
