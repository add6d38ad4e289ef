package recorder

import (
	"testing"
	"time"

	"siprecd/policy"
	"siprecd/store"
)

// A tape that a crash left, and that is found when its day is over, is destroyed
// like the others of that day.
func TestTapeThatOutlivedItsDay(t *testing.T) {
	st := open(t, rule("2001", policy.Full, 3))
	st.invite(ourAOR, otherAOR)
	st.talk(0, time.Second, 0x11)
	rows := st.call.End(callStart.Add(time.Second), "src", "bye")
	row := rows[0]
	day := st.rec.Settings().dies(&row)
	if _, _, err := st.rec.Store.Keys.DestroyDay(day, nil); err != nil {
		t.Fatal(err)
	}
	st.rec.Store.Tell(store.Entry{Kind: store.EventDayDestroyed, Subject: string(day), Public: map[string]string{"secret-destroyed": "true"}})
	if err := st.rec.Seal(t.Context(), &row); err != nil {
		t.Fatal(err)
	}
	left, err := st.rec.Store.Leftovers()
	if err != nil || len(left) != 0 {
		t.Errorf("tapes left: %v, %v", left, err)
	}
	known, err := st.rec.Store.Catalog.Get(t.Context(), row.ID)
	if err != nil || known.State != store.Deleted || known.Other != "" || known.File != "" {
		t.Errorf("%+v, %v", known, err)
	}
	if st.onDisk(0x11) {
		t.Error("its audio is on the disk")
	}
	v, err := st.rec.Store.Verify(t.Context(), store.VerifyOptions{})
	if err != nil || len(v.Findings) != 0 {
		t.Errorf("%+v, %v", v.Findings, err)
	}
}
