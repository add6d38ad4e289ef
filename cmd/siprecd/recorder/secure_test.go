package recorder

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pion/srtp/v3"

	"siprecd/media"
	"siprecd/policy"
	"siprecd/sip"
	"siprecd/store"
)

// keyed is one side's key, and pion's implementation to encrypt with it.
type keyed struct {
	sip.Crypto
	t   *testing.T
	ctx *srtp.Context
}

func newKey(t *testing.T, tag int, suite string) keyed {
	t.Helper()
	m, err := media.NewMasterKey(suite)
	if err != nil {
		t.Fatal(err)
	}
	profile, salt := srtp.ProtectionProfileAes128CmHmacSha1_80, 14
	if suite == "AEAD_AES_256_GCM" {
		profile, salt = srtp.ProtectionProfileAeadAes256Gcm, 12
	}
	n := len(m.Key) - salt
	ctx, err := srtp.CreateContext(m.Key[:n], m.Key[n:], profile)
	if err != nil {
		t.Fatal(err)
	}
	return keyed{sip.Crypto{Tag: tag, Suite: suite, Keys: []sip.CryptoKey{{Key: m.Key}}}, t, ctx}
}

func (k keyed) seal(packet []byte) []byte {
	k.t.Helper()
	b, err := k.ctx.EncryptRTP(nil, packet, nil)
	if err != nil {
		k.t.Fatal(err)
	}
	return b
}

const cm128 = "AES_CM_128_HMAC_SHA1_80"

// lineWith is line i as offered with a profile and keys.
func lineWith(i int, proto string, keys ...sip.Crypto) sip.Line {
	l := offered(i)
	l.Proto, l.Crypto = proto, keys
	return l
}

// reinvite offers lines, in the INVITE or later.
func (st *stage) reinvite(at time.Duration, lines ...sip.Line) Reply {
	st.t.Helper()
	o := st.offer("INVITE", at, "sip:2001@pbx.example", "sip:0105550101@pbx.example")
	o.Media = &sip.Description{Lines: lines}
	reply := st.call.Offer(o)
	st.release()
	return reply
}

// begin begins a call without an offer yet, of a source that must encrypt or not.
func (st *stage) begin(must Encryption) {
	settings := *st.rec.Settings()
	settings.Sources = map[string]Source{"sbc": {Encryption: must}}
	st.rec.Settings = func() *Settings { return &settings }
	st.call = st.rec.Begin(sip.Info{CallID: "rs-1", Source: "sbc", Arrived: callStart}, func(*media.Path) Ports {
		return Ports{
			Addr: netip.MustParseAddr("192.0.2.1"), Add: func(i int) (uint16, error) { return uint16(40000 + 2*i), nil },
			Remove: func(int) {}, Hold: func(bool) {}, Close: func() {},
		}
	})
}

// speak sends audio of fill on line i, as seal has it.
func (st *stage) speak(i int, from, until time.Duration, fill byte, seal func([]byte) []byte) {
	for at := from; at < until; at += 20 * time.Millisecond {
		st.feed(i, at+20*time.Millisecond, seal(st.rtp(i, 0, at, bytes.Repeat([]byte{fill}, 160))))
	}
}

func asSent(b []byte) []byte { return b }

// TestWhatAnSRCMustOffer: each kind of offer against each value of media.
func TestWhatAnSRCMustOffer(t *testing.T) {
	key := newKey(t, 1, cm128).Crypto
	odd := sip.Crypto{Tag: 1, Suite: "F8_128_HMAC_SHA1_80", Keys: key.Keys}
	short := sip.Crypto{Tag: 2, Suite: cm128, Keys: []sip.CryptoKey{{Key: []byte("short")}}}
	unsigned := key
	unsigned.Params = []string{"UNAUTHENTICATED_SRTP"}
	plain := key
	plain.Params = []string{"UNENCRYPTED_SRTP"}
	third := newKey(t, 3, "AEAD_AES_256_GCM").Crypto
	third.Params = []string{"KDR=0", "WSH=128", "-X-OWN"}
	for name, c := range map[string]struct {
		line                 sip.Line
		srtp, rtp, eitherWay string
	}{
		"clear":                   {lineWith(0, "RTP/AVP"), `488 line 0: it is not encrypted, and this source is configured with media = "srtp"`, "clear", "clear"},
		"encrypted":               {lineWith(0, "RTP/SAVP", key), "1 " + cm128, `488 line 0: it is encrypted, and this source is configured with media = "rtp"`, "1 " + cm128},
		"best effort":             {lineWith(0, "RTP/AVP", key), "1 " + cm128, "clear", "1 " + cm128},
		"best effort, odd suite":  {lineWith(0, "RTP/AVP", odd), "488 line 0: this source is configured", "clear", "clear"},
		"the third is usable":     {lineWith(0, "RTP/SAVP", odd, short, third), "3 AEAD_AES_256_GCM", "488 ", "3 AEAD_AES_256_GCM"},
		"none is usable":          {lineWith(0, "RTP/SAVPF", odd, short), "488 line 0: none of its keys can be used: suite", "488 ", `488 line 0: none of its keys can be used: suite "F8_128_HMAC_SHA1_80" is not known, a key of ` + cm128 + " has 30 octets with its salt, not 5"},
		"no key":                  {lineWith(0, "RTP/SAVP"), "488 line 0: it is to be encrypted, and no key", "488 ", "488 "},
		"without authentication":  {lineWith(0, "RTP/SAVP", unsigned), "488 ", "488 ", "488 "},
		"with empty encryption":   {lineWith(0, "RTP/SAVP", plain), "488 ", "488 ", "488 "},
		"by DTLS":                 {byDTLS("UDP/TLS/RTP/SAVPF", "actpass", sha256Of), "passive", "488 line 0: it is encrypted", "passive"},
		"by DTLS, from a browser": {byDTLS("RTP/SAVPF", "", sha256Of), "passive", "488 ", "passive"},
		"by DTLS, odd hash":       {byDTLS("UDP/TLS/RTP/SAVP", "active", "md5 00:11"), "488 line 0: its keys are to come by DTLS, and no fingerprint", "488 ", "488 line 0: its keys"},
		"by DTLS, passive":        {byDTLS("UDP/TLS/RTP/SAVP", "passive", sha256Of), "488 line 0: its keys are to come by DTLS, and it does not begin", "488 ", "488 "},
		"no codec of ours either": {sip.Line{Kind: "audio", Proto: "RTP/AVP", Addr: key0}, "488 no audio line", "488 no audio line", "488 no audio line"},
	} {
		for must, want := range map[Encryption]string{OnlySRTP: c.srtp, OnlyRTP: c.rtp, EitherWay: c.eitherWay} {
			st := open(t)
			st.begin(must)
			reply := st.reinvite(0, c.line)
			got := "clear"
			switch a := reply.Answer; {
			case reply.Reject != 0:
				got = fmt.Sprintf("%d %s", reply.Reject, reply.Reason)
			case len(a.Lines[0].Crypto) == 1:
				got = fmt.Sprintf("%d %s", a.Lines[0].Crypto[0].Tag, a.Lines[0].Crypto[0].Suite)
				if ours := a.Lines[0].Crypto[0].Keys; len(ours) != 1 || bytes.Equal(ours[0].Key, key.Keys[0].Key) {
					t.Errorf("%s: our key is theirs, or is missing", name)
				}
			case strings.HasPrefix(a.Lines[0].Fingerprint, "sha-256 "):
				got = "passive"
			case a.Lines[0].Port == 0:
				got = "port 0"
			}
			if !strings.HasPrefix(got, want) {
				t.Errorf("%s, media %d: %s, want %s", name, must, got, want)
			}
			st.call.End(callStart, "src", "bye")
		}
	}
}

var sha256Of = "sha-256 " + strings.Repeat("AB:", 31) + "AB"

func byDTLS(proto, setup, fingerprint string) sip.Line {
	l := lineWith(0, proto)
	l.Setup, l.Fingerprints, l.Mux = setup, []string{fingerprint}, true
	return l
}

var key0 = netip.MustParseAddrPort("192.0.2.7:20000")

// One of two lines is not as it must be: it alone is refused.
func TestOneLineNotEncrypted(t *testing.T) {
	st := open(t)
	st.begin(OnlySRTP)
	reply := st.reinvite(0, lineWith(0, "RTP/AVP"), lineWith(1, "RTP/SAVP", newKey(t, 1, cm128).Crypto))
	if reply.Reject != 0 || reply.Answer.Lines[0].Port != 0 || reply.Answer.Lines[1].Port == 0 {
		t.Fatalf("answered %+v", reply)
	}
	st.speak(0, 0, time.Second, 0x31, asSent)
	row := st.bye(time.Second)
	if st.onDisk(0x31) {
		t.Error("a line that was refused is on disk")
	}
	if !strings.Contains(strings.Join(row.Notes, "\n"), "line 0 refused: it is not encrypted") {
		t.Errorf("notes %q", row.Notes)
	}
}

// Encrypted on both lines, each with a key of its own: recorded bit for bit;
// a new key in mid-call loses nothing, and ours stays.
func TestEncryptedCall(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3))
	st.begin(OnlySRTP)
	a, b := newKey(t, 1, cm128), newKey(t, 1, "AEAD_AES_256_GCM")
	first := st.reinvite(0, lineWith(0, "RTP/SAVP", a.Crypto), lineWith(1, "RTP/SAVP", b.Crypto))
	st.speak(0, 0, time.Second, 0x31, a.seal)
	st.speak(1, 0, time.Second, 0x41, b.seal)
	a2 := newKey(t, 2, cm128)
	second := st.reinvite(time.Second, lineWith(0, "RTP/SAVP", a2.Crypto), lineWith(1, "RTP/SAVP", b.Crypto))
	st.speak(0, time.Second, time.Second+100*time.Millisecond, 0x32, a.seal) // still on its way
	st.speak(0, time.Second+100*time.Millisecond, 2*time.Second, 0x33, a2.seal)
	st.speak(1, time.Second, 2*time.Second, 0x42, b.seal)
	row := st.bye(2 * time.Second)
	left, right := st.channels(row)
	if n := []int{count(left, 0x31), count(left, 0x32), count(left, 0x33), count(right, 0x41), count(right, 0x42)}; fmt.Sprint(n) != "[8000 800 7200 8000 8000]" {
		t.Errorf("samples %v", n)
	}
	if s := row.Streams; s[0].SRTP != cm128 || s[1].SRTP != "AEAD_AES_256_GCM" || s[0].Packets != 100 || s[0].Unauthenticated+s[0].Refused != 0 {
		t.Errorf("streams %+v", s)
	}
	was, is := first.Answer.Lines[0].Crypto[0], second.Answer.Lines[0].Crypto[0]
	if is.Tag != 2 || !bytes.Equal(was.Keys[0].Key, is.Keys[0].Key) || bytes.Equal(was.Keys[0].Key, first.Answer.Lines[1].Crypto[0].Keys[0].Key) {
		t.Error("our key changed, or is the same on both lines")
	}
}

// A re-INVITE that would end the encryption of a source that must encrypt is
// refused, and the call goes on as it was; where either may be, it is noted.
func TestEncryptionEndsInMidCall(t *testing.T) {
	for must, want := range map[Encryption]int{OnlySRTP: 488, EitherWay: 0} {
		st := open(t, rule("2001", policy.Full, 3))
		st.begin(must)
		key := newKey(t, 1, cm128)
		st.reinvite(0, lineWith(0, "RTP/SAVP", key.Crypto))
		st.speak(0, 0, time.Second, 0x31, key.seal)
		if got := st.reinvite(time.Second, lineWith(0, "RTP/AVP")).Reject; got != want {
			t.Fatalf("media %d: the re-INVITE is answered %d, want %d", must, got, want)
		}
		seal := asSent
		if must == OnlySRTP {
			st.speak(0, time.Second, time.Second+200*time.Millisecond, 0x33, asSent)
			seal = key.seal
		}
		st.speak(0, time.Second+200*time.Millisecond, 2*time.Second, 0x32, seal)
		row := st.bye(2 * time.Second)
		noted := strings.Contains(strings.Join(row.Notes, "\n"), "no longer encrypts")
		if s := row.Streams[0]; s.Packets != 90 || noted != (must == EitherWay) || st.onDisk(0x33) {
			t.Errorf("media %d: %+v, notes %q", must, s, row.Notes)
		}
	}
}

// Wrong key, clear RTP: refused, counted, told loudly; the other line is whole.
func TestStreamThatCannotBeDecrypted(t *testing.T) {
	for name, seal := range map[string]func(*testing.T) func([]byte) []byte{
		"another key": func(t *testing.T) func([]byte) []byte { return newKey(t, 1, cm128).seal },
		"in clear":    func(*testing.T) func([]byte) []byte { return asSent },
	} {
		st := open(t, rule("2001", policy.Full, 3))
		st.begin(EitherWay)
		a, b := newKey(t, 1, cm128), newKey(t, 1, cm128)
		st.reinvite(0, lineWith(0, "RTP/SAVP", a.Crypto), lineWith(1, "RTP/SAVP", b.Crypto))
		st.speak(0, 0, time.Second, 0x31, seal(t))
		st.speak(1, 0, time.Second, 0x41, b.seal)
		live := strings.Join(st.call.Row().Notes, "\n")
		row := st.bye(time.Second)
		want := "line \"1\" is not recorded: none of its 50 packets fits the key that was signalled (" + cm128 + ")"
		if notes := strings.Join(row.Notes, "\n"); !strings.Contains(notes, want) || !strings.Contains(live, want) || strings.Count(notes, want) != 1 {
			t.Errorf("%s: notes %q, live %q", name, row.Notes, live)
		}
		if s := row.Streams; s[0].Unauthenticated != 50 || s[0].Refused != 50 || s[0].Packets != 0 || s[1].Packets != 50 || s[1].Refused != 0 {
			t.Errorf("%s: streams %+v", name, s)
		}
		if st.onDisk(0x31) {
			t.Errorf("%s: audio that did not authenticate is on disk", name)
		}
	}
}

// Our own offer to a source that must encrypt: keys of ours, nothing taken until
// the ACK brings theirs; an ACK without keys gets no port.
func TestOwnOfferIsEncrypted(t *testing.T) {
	for _, answersWithKey := range []bool{true, false} {
		st := open(t, rule("2001", policy.Full, 3))
		st.begin(OnlySRTP)
		o := st.offer("INVITE", 0, "sip:2001@pbx.example", "sip:0105550101@pbx.example")
		o.WantOffer = true
		reply := st.call.Offer(o)
		ours := reply.Answer.Lines[0].Crypto
		if len(ours) != len(offeredSuites) {
			t.Fatalf("offered %v", ours)
		}
		st.speak(0, 0, 100*time.Millisecond, 0x30, asSent)
		theirs := newKey(t, 3, cm128)
		ack := st.offer("ACK", 100*time.Millisecond)
		ack.Media = &sip.Description{Lines: []sip.Line{lineWith(0, "RTP/SAVP", theirs.Crypto), lineWith(1, "RTP/SAVP", theirs.Crypto)}}
		if !answersWithKey {
			ack.Media.Lines = []sip.Line{lineWith(0, "RTP/AVP"), lineWith(1, "RTP/AVP")}
		}
		st.call.Offer(ack)
		st.speak(0, 100*time.Millisecond, 200*time.Millisecond, 0x31, asSent)
		st.speak(0, 200*time.Millisecond, time.Second, 0x32, theirs.seal)
		row := st.bye(time.Second)
		if s := row.Streams[0]; st.onDisk(0x30) || st.onDisk(0x31) || answersWithKey != (s.Packets == 40) {
			t.Errorf("with key %v: stream %+v, clear audio on disk: %v", answersWithKey, s, st.onDisk(0x30) || st.onDisk(0x31))
		}
	}
}

// Keys are in no log, tape, row, note, answer that is printed, or file.
func TestJ12_KeysAreNowhere(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3))
	var logged bytes.Buffer
	st.rec.Log = slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	st.begin(EitherWay)
	a, wrong, odd := newKey(t, 1, cm128), newKey(t, 1, cm128), newKey(t, 7, cm128)
	odd.Crypto.Suite = "F8_128_HMAC_SHA1_80"
	short := sip.Crypto{Tag: 9, Suite: cm128, Keys: []sip.CryptoKey{{Key: a.Keys[0].Key[:25]}}}
	refused := st.reinvite(0, lineWith(0, "RTP/SAVP", odd.Crypto, short))
	reply := st.reinvite(0, lineWith(0, "RTP/SAVP", odd.Crypto, a.Crypto), lineWith(1, "RTP/SAVP", wrong.Crypto))
	st.speak(0, 0, time.Second, 0x31, a.seal)
	st.speak(1, 0, time.Second, 0x41, asSent)
	live, err := json.Marshal([]any{st.call.Row(), reply, st.call.recordings[0].lines[0].spec})
	if err != nil {
		t.Fatal(err)
	}
	shown := string(live) + fmt.Sprintf("%v %+v %#v %v", reply, reply, reply.Answer.Lines, refused)
	tape, err := st.rec.Store.ReadTape(st.call.ID())
	if err != nil {
		t.Fatal(err)
	}
	if err := st.call.Path().Flush(); err != nil {
		t.Fatal(err)
	}
	for rec, err := range tape() {
		if err != nil {
			t.Fatal(err)
		}
		shown += string(rec.Data)
	}
	row := st.bye(time.Second)
	st.rec.Log.Warn("a row", "row", row, "reply", reply, "lines", fmt.Sprint(st.call.lines[0].offered))
	sealed, err := json.Marshal(row)
	if err != nil || row.State != store.Sealed {
		t.Fatal(row.State, err)
	}
	shown += string(sealed) + logged.String() + everyFile(t, st.dir)
	keys := [][]byte{a.Keys[0].Key, wrong.Keys[0].Key, odd.Keys[0].Key}
	for _, l := range reply.Answer.Lines {
		keys = append(keys, l.Crypto[0].Keys[0].Key)
	}
	for _, k := range keys {
		for _, secret := range []string{string(k[:12]), base64.StdEncoding.EncodeToString(k)[:16], hex.EncodeToString(k)[:16],
			strings.ToUpper(hex.EncodeToString(k))[:16], strings.Trim(fmt.Sprint(k[:8]), "[]")} {
			if at := strings.Index(shown, secret); at >= 0 {
				t.Errorf("a key is shown as %q: …%.80q", secret, shown[max(0, at-80):])
			}
		}
	}
}

func everyFile(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		all.Write(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}
