// Package witness carries the ledger's checkpoints to another machine that
// cosigns them and refuses a rewritten past (C2SP tlog-witness), and is that
// other machine's HTTP server.
//
// Its types: [Server] answers with a [siprecd/store.Witness]; [Feeder] is the
// recorder's side, one goroutine from Start to Close that posts whenever the
// ledger has a newer checkpoint than the witness, and every ten minutes without
// news, because the cosignature's time is another machine's clock. One proof
// catches up after any outage: the ledger itself is the queue.
//
// Checkpoints and cosignatures are signed, so that plain HTTP will do: who
// stands between can keep them from each other, which is noticed within the
// hour, and can pretend a refusal, which costs an alarm, but can make neither
// side believe another past. Recording waits for nothing here.
package witness
