package media

import "testing"

func TestDatagramsTooLargeAreRefused(t *testing.T) {
	bothReceivers(t, func(t *testing.T, c ReceiverConfig) {
		r := newTestReceiver(t, c)
		p, tape := newLivePath(ModeFull)
		in := r.Open(p, loopback)
		src := testSender(t)
		to := addLine(t, p, in, 0, src)
		send(t, src, to, rtpBytes(pcmu, 1, 1, 1, make([]byte, maxDatagram)))
		send(t, src, to, []byte{})
		send(t, src, to, rtpBytes(pcmu, 2, 1, 1, make([]byte, maxDatagram-12)))
		tape.await(t, 1)
		in.Close()
		if c := p.Counts()[0]; c.Refused != 2 || c.Kept != 1 {
			t.Errorf("%+v", c)
		}
	})
}

// TestLongestPackets: 200 ms of the largest codec, in clear and encrypted.
func TestLongestPackets(t *testing.T) {
	bothReceivers(t, func(t *testing.T, c ReceiverConfig) {
		for _, suite := range append(SRTPSuites(), "") {
			r := newTestReceiver(t, c)
			p, tape := newLivePath(ModeFull)
			in := r.Open(p, loopback)
			src := testSender(t)
			to := addLine(t, p, in, 0, src)
			spec := LineSpec{Receiving: true, Formats: []Format{{Payload: 96, Name: "L16", Clock: 48000, Channels: 2}}}
			seal := func(b []byte) []byte { return b }
			if suite != "" {
				peer := newPeer(t, suite)
				spec.Secure, spec.Keys, seal = true, []MasterKey{peer.master}, peer.rtp
			}
			p.SetLine(0, callAt, spec)
			for n := range 5 {
				send(t, src, to, seal(rtpBytes(96, uint16(n), uint32(n*9600), 1, make([]byte, 38_400))))
				tape.await(t, n+1)
			}
			in.Close()
			if c := p.Counts()[0]; c.Refused != 0 || c.Kept != 5 || len(tape.packets()[4].Data) != 12+38_400 {
				t.Errorf("%s: %+v", suite, c)
			}
		}
	})
}
