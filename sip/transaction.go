package sip

import (
	"container/heap"
	"strconv"
	"strings"
	"time"
)

// Timers of RFC 3261 section 17.1.1.1.
const (
	t1      = 500 * time.Millisecond
	t2      = 4 * time.Second
	timeout = 64 * t1 // timers B, F, H, J and L

	// unanswered is when a request that nobody answered is forgotten, so that
	// nothing stays for ever.
	unanswered = 10 * time.Minute

	// maxKept is how many transactions the table holds before it forgets at once
	// what it answered outside any dialog: a repetition is then answered anew, as
	// a stateless server would (RFC 3261 section 8.2.7).
	maxKept = 2048
)

// serverTx is one request from an SRC and what it was answered
// (RFC 3261 section 17.2, RFC 6026).
type serverTx struct {
	key     string
	req     *Message
	flow    *flow
	tag     string   // To tag of every response but 100
	session *Session // of an INVITE without To tag: whom CANCEL ends

	// Guarded by the table's owner.
	sent     []byte // last response
	status   int
	resend   time.Time     // timer G; zero: none
	interval time.Duration // of timer G
	expire   time.Time     // when the table forgets it
	index    int           // in the heap
}

// txTable holds the server transactions. It knows no clock and no socket: time
// comes in, what is to be sent again comes out. It is not safe for concurrent use.
type txTable struct {
	byKey  map[string]*serverTx
	merged map[string]*serverTx // INVITEs without To tag by Call-ID, From tag and CSeq
	queue  txQueue
}

func newTxTable() *txTable {
	return &txTable{byKey: map[string]*serverTx{}, merged: map[string]*serverTx{}}
}

// txKey matches a request to its transaction (RFC 3261 section 17.2.3); an ACK
// has the key of the INVITE it may belong to, a CANCEL is its own transaction.
func txKey(m *Message, source string) string {
	method := m.Method
	if method == "ACK" {
		method = "INVITE"
	}
	top := m.list("Via")[0]
	v, _ := parseVia(top)
	branch := v.params["branch"]
	if strings.HasPrefix(branch, "z9hG4bK") && len(branch) > len("z9hG4bK") {
		return method + " " + strings.ToLower(branch) + " " + strings.ToLower(v.host) + ":" + strconv.Itoa(v.port)
	}
	// RFC 2543 branches mean nothing. The To tag is left out: the ACK carries ours.
	return strings.Join([]string{method, m.RequestURI, m.CallID, m.FromTag, strconv.Itoa(int(m.CSeq)), v.host, strconv.Itoa(v.port), source}, " ")
}

// inviteKey is the key of the INVITE that a CANCEL is about.
func inviteKey(cancel *Message, source string) string {
	as := *cancel
	as.Method = "INVITE"
	return txKey(&as, source)
}

func mergeKey(m *Message) string {
	return m.CallID + " " + m.FromTag + " " + strconv.Itoa(int(m.CSeq))
}

// open enters a new transaction. other is another transaction of the same
// INVITE that came by another way (RFC 3261 section 8.2.2.2), nil mostly.
func (t *txTable) open(now time.Time, tx *serverTx) (other *serverTx) {
	t.byKey[tx.key] = tx
	tx.index, tx.expire = -1, now.Add(unanswered)
	t.schedule(tx)
	if tx.req.Method != "INVITE" || tx.req.ToTag != "" {
		return nil
	}
	key := mergeKey(tx.req)
	if other = t.merged[key]; other == nil {
		t.merged[key] = tx
	}
	return other
}

// answered notes a response. A final one starts the end of the transaction.
func (t *txTable) answered(now time.Time, tx *serverTx, status int, wire []byte) {
	tx.sent, tx.status = wire, status
	if status < 200 {
		return
	}
	invite := tx.req.Method == "INVITE"
	if len(t.byKey) > maxKept && tx.req.ToTag == "" && (status >= 300 || !invite) {
		t.forget(tx)
		return
	}
	tx.expire = now.Add(timeout)
	if !invite && tx.flow.stream != nil {
		tx.expire = now // timer J is zero where nothing is repeated
	}
	if invite && status >= 300 && tx.flow.stream == nil {
		tx.interval = t1
		tx.resend = now.Add(t1)
	}
	t.schedule(tx)
}

// acked ends the repeating of a refusal. It reports whether the ACK was for one,
// and is therefore no business of a dialog.
func (t *txTable) acked(tx *serverTx) bool {
	if tx.status < 300 {
		return false
	}
	tx.resend = time.Time{}
	t.schedule(tx)
	return true
}

// tick returns the transactions whose response is to be sent again, forgets
// the finished ones and says when to call it next.
func (t *txTable) tick(now time.Time) (again []*serverTx, next time.Time) {
	for len(t.queue) > 0 {
		tx := t.queue[0]
		due := tx.due()
		if due.After(now) {
			return again, due
		}
		if !tx.expire.After(now) {
			t.forget(tx)
			continue
		}
		again = append(again, tx)
		tx.interval = min(2*tx.interval, t2)
		tx.resend = now.Add(tx.interval)
		heap.Fix(&t.queue, 0)
	}
	return again, time.Time{}
}

// forget removes a transaction; one the table does not hold, such as an ACK of
// a 2xx, is left alone.
func (t *txTable) forget(tx *serverTx) {
	if t.byKey[tx.key] != tx {
		return
	}
	heap.Remove(&t.queue, tx.index)
	delete(t.byKey, tx.key)
	if key := mergeKey(tx.req); t.merged[key] == tx {
		delete(t.merged, key)
	}
}

func (t *txTable) schedule(tx *serverTx) {
	if t.byKey[tx.key] != tx {
		return // forgotten before it was answered
	}
	if tx.index < 0 {
		heap.Push(&t.queue, tx)
	} else {
		heap.Fix(&t.queue, tx.index)
	}
}

func (tx *serverTx) due() time.Time {
	if !tx.resend.IsZero() && tx.resend.Before(tx.expire) {
		return tx.resend
	}
	return tx.expire
}

// txQueue orders transactions by when something is due.
type txQueue []*serverTx

func (q txQueue) Len() int           { return len(q) }
func (q txQueue) Less(i, j int) bool { return q[i].due().Before(q[j].due()) }
func (q txQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}
func (q *txQueue) Push(x any) {
	tx := x.(*serverTx)
	tx.index = len(*q)
	*q = append(*q, tx)
}
func (q *txQueue) Pop() any {
	old := *q
	tx := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	tx.index = -1
	return tx
}
