package main

import (
	"fmt"

	"siprecd/store"
)

// keyWarnings says what is amiss with who can hear recordings.
func (d *daemon) keyWarnings() (warnings []string) {
	custodians, err := d.store.Keys.Custodians()
	if err != nil {
		return []string{"keys: " + err.Error()}
	}
	for _, c := range custodians {
		if !c.Protected {
			warnings = append(warnings, "the identity of custodian "+c.Name+" lies in clear: whoever has this data directory can hear everything (siprecd keys protect)")
		}
	}
	lacks, err := d.store.Keys.Lacking()
	if err != nil {
		warnings = append(warnings, "keys: "+err.Error())
	}
	for _, l := range lacks {
		warnings = append(warnings, lackWarning(l))
	}
	return append(warnings, d.store.Keys.Trouble()...)
}

// lackWarning says what a custodian cannot open, and what is known of why.
func lackWarning(l store.Lack) string {
	days := fmt.Sprintf("the keys of %d days, the first %s", l.Days, l.First)
	if l.Days == 1 {
		days = "the keys of " + string(l.First)
	}
	why := "no copy of them for this custodian is there"
	if l.Program {
		why = "the age plugin was missing here when they were made, or the copies are gone"
	}
	return fmt.Sprintf("custodian %s cannot open %s: %s (siprecd keys check); the night makes it good while keys are unlocked that open them", l.Custodian, days, why)
}
