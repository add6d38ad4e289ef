package media

import "testing"

// Where a sender begins anew a little too early, what is left out is listed.
func TestWhatIsCutIntoIsListed(t *testing.T) {
	s := begin(1)
	a := &leg{s: s, ssrc: 1}
	a.send(0, 200)
	a.ssrc, a.seq, a.stamp = 9, 1, 2
	a.send(4*nanos-1_500_000, 200)
	f, sides := render(t, s.end(8*nanos))
	if len(f.Corrections) != 1 || f.Corrections[0] != (Correction{At: 4, Samples: -12}) || !f.Lossy {
		t.Errorf("corrections %v", f.Corrections)
	}
	wantAt(t, sides[0], 199*160, 199)
	wantAt(t, sides[0], 201*160-12, 201)
}

// What would lie before the call is counted, not passed over.
func TestBeforeTheCallIsLate(t *testing.T) {
	s := begin(1)
	(&leg{s: s, ssrc: 1}).send(-300_000_000, 100)
	for i := range s.records {
		s.records[i].At = max(s.records[i].At, testStart)
	}
	f, sides := render(t, s.end(2*nanos))
	if f.Streams[0].Late != 15 || !f.Lossy {
		t.Errorf("%d late", f.Streams[0].Late)
	}
	wantAt(t, sides[0], 0, 15)
}
