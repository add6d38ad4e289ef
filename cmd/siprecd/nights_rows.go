package main

import (
	"errors"
	"strings"
	"time"

	"siprecd/policy"
)

// monthLayout is how the ledger names the months of its readable rows.
const monthLayout = "2006-01"

// oldRows destroys the readable rows of months that are over for as long as the
// configuration keeps them. The clock has to be believed as for recordings: one
// month for each 20 hours of running where nothing proves it.
func (k *keeper) oldRows(clock policy.Clock) error {
	months, err := k.store.Ledger.RowMonths()
	if err != nil {
		return err
	}
	now := clock.Wall.UTC()
	begins := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	last := begins.AddDate(0, -k.config().Ledger.RowsMonths, 0).Format(monthLayout)
	newest := clock.Newest.UTC().Format(monthLayout)
	const firstDay = "-01" // stands for its month in the plan
	var due []string
	for _, m := range months {
		if m < last && m < newest {
			due = append(due, m+firstDay)
		}
	}
	if len(due) == 0 {
		return nil
	}
	k.mu.Lock()
	clock.Ran = k.running() - k.rowsSince
	k.mu.Unlock()
	var errs []error
	for _, day := range policy.PlanNight(due, clock).Destroy {
		errs = append(errs, k.store.Ledger.DestroyRows(strings.TrimSuffix(day, firstDay)))
		k.mu.Lock()
		k.rowsSince = k.running()
		k.mu.Unlock()
	}
	return errors.Join(errs...)
}
