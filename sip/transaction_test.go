package sip

import (
	"testing"
	"time"
)

func TestH12_TransactionsAreForgotten(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	table := newTxTable()
	open := func(method string, cseq int, overTCP bool) *serverTx {
		tx := propertyRequest(method, cseq, "")
		if overTCP {
			tx.flow.stream = new(stream)
		}
		tx.key = txKey(tx.req, "")
		table.open(now, tx)
		return tx
	}
	accepted, refused, info, tcp, never := open("INVITE", 1, false), open("INVITE", 2, false), open("INFO", 3, false), open("INFO", 4, true), open("INFO", 5, false)
	table.answered(now, accepted, 200, nil)
	table.answered(now, refused, 486, nil)
	table.answered(now, info, 200, nil)
	table.answered(now, tcp, 200, nil)
	if table.acked(accepted) || !table.acked(refused) {
		t.Error("an ACK belongs to a refusal's transaction and to an acceptance's dialog")
	}
	has := func(tx *serverTx) bool { return table.byKey[tx.key] == tx }
	again, _ := table.tick(now.Add(timeout - 1))
	if len(again) != 0 || !has(accepted) || !has(refused) || !has(info) || has(tcp) || !has(never) {
		t.Errorf("after 31.9 s: %d repeated, %d kept", len(again), len(table.byKey))
	}
	table.tick(now.Add(timeout))
	if len(table.byKey) != 1 || !has(never) {
		t.Errorf("after 32 s: %d kept", len(table.byKey))
	}
	if _, next := table.tick(now.Add(unanswered)); len(table.byKey)+len(table.merged)+len(table.queue) != 0 || !next.IsZero() {
		t.Error("an unanswered request stays for ever")
	}
}
