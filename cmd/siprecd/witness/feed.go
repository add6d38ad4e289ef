package witness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"siprecd/store"
)

// refusedError is a witness's refusal: it knows another past of this log.
type refusedError struct{ why string }

func (e *refusedError) Error() string { return e.why }

// strangerError is a witness that does not know us, or is not the one that was
// configured.
type strangerError struct{ why string }

func (e *strangerError) Error() string { return e.why }

// answerMost is how much of an answer is read, in bytes.
const answerMost = 1 << 14

// feed has the newest checkpoint cosigned. What the witness knows is only
// thought to be known: it says so when it is something else.
func (f *Feeder) feed(ctx context.Context, target Target) error {
	c := f.Ledger.Signed()
	old := min(f.State().Size, c.Size)
	for range 3 {
		code, body, err := f.post(ctx, target.URL, old, c)
		if err != nil {
			return err
		}
		switch code {
		case http.StatusOK:
			return f.keep(target, c, body)
		case http.StatusConflict:
			size, err := strconv.ParseInt(strings.TrimSuffix(string(body), "\n"), 10, 64)
			switch {
			case err != nil || size < 0 || size == old && size < c.Size:
				return errors.New("the witness's answer is not of its protocol")
			case size > c.Size:
				return &refusedError{fmt.Sprintf("the witness cosigned %d leaves, the ledger has only %d: it was cut, or replaced by an older copy", size, c.Size)}
			case size == old:
				return &refusedError{fmt.Sprintf("the witness cosigned other leaves than the %d of the ledger: it was rewritten", size)}
			}
			old = size
		case http.StatusUnprocessableEntity:
			return &refusedError{fmt.Sprintf("the ledger does not begin with the %d leaves that the witness cosigned: it was rewritten", old)}
		case http.StatusNotFound:
			return &strangerError{"the witness does not know this ledger: start it once with --log and the ledger's key, which siprecd status prints"}
		case http.StatusForbidden:
			return &strangerError{"the witness knows this ledger's name with another key"}
		default:
			return fmt.Errorf("the witness answers %d: %s", code, firstLine(body))
		}
	}
	return errors.New("the witness says each time that it cosigned another size")
}

// post sends one request and returns the answer.
func (f *Feeder) post(ctx context.Context, url string, old int64, c store.Checkpoint) (code int, body []byte, err error) {
	asked := store.WitnessRequest{Old: old, Note: c.Note}
	if old > 0 {
		if asked.Proof, err = f.Ledger.ProveGrowth(old, c.Size); err != nil {
			return 0, nil, err
		}
	}
	text, err := asked.MarshalText()
	if err != nil {
		return 0, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(url, "/")+addPath, bytes.NewReader(text))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	res, err := f.send(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	body, err = io.ReadAll(io.LimitReader(res.Body, answerMost))
	return res.StatusCode, body, err
}

// keep takes the cosignature of the witness that is configured out of an answer,
// which may bear others.
func (f *Feeder) keep(target Target, c store.Checkpoint, body []byte) error {
	for line := range bytes.Lines(body) {
		signed := slices.Concat(c.Note, line)
		if _, err := store.ReadCosigned(signed, f.Ledger.VerifierKey(), target.Key); err != nil {
			continue
		}
		kept, err := f.Ledger.KeepWitnessed(signed, target.Key)
		if err != nil {
			return err
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.state.Size, f.state.At, f.heard = kept.Size, kept.At, time.Now()
		return nil
	}
	return &strangerError{"its answer is not signed with [ledger] witness_key"}
}

func firstLine(body []byte) string {
	line, _, _ := strings.Cut(string(body), "\n")
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, line[:min(len(line), 200)])
}

// Warning is what an administrator should see to, when the ledger has so many
// leaves; "" nothing.
func (s State) Warning(leaves int64, now time.Time) string {
	wait := ""
	if n := leaves - s.Size; n > 0 && s.Refused.Why == "" {
		wait = fmt.Sprintf("; %d of %d leaves wait for it", n, leaves)
	}
	quiet := !s.Failing.IsZero() && (now.Sub(s.Failing) >= alarmAfter || !s.At.IsZero() && now.Sub(s.At) >= alarmAfter)
	switch {
	case s.Refused.Why != "":
		return fmt.Sprintf("THE LEDGER IS IN DOUBT since %s: %s. Keep a copy of it and of the witness's directory for the auditor; recording goes on",
			s.Refused.Since.Format(time.RFC3339), s.Refused.Why)
	case s.Stranger:
		return fmt.Sprintf("the ledger has no witness: %s: %s%s", s.URL, s.Failure, wait)
	case quiet && s.At.IsZero():
		return fmt.Sprintf("the witness at %s has not answered since %s: %s%s", s.URL, s.Failing.UTC().Format(time.RFC3339), s.Failure, wait)
	case quiet:
		return fmt.Sprintf("the witness at %s has not cosigned since %s: %s%s", s.URL, s.At.Format(time.RFC3339), s.Failure, wait)
	}
	return ""
}
