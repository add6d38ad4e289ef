package store

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// savedRow is one line of a rows file.
type savedRow struct {
	Digest string          `json:"digest"` // HMAC-SHA256 of the row's bytes under the salt, hex; as in the leaf
	Salt   string          `json:"salt"`   // hex
	Row    json.RawMessage `json:"row"`
}

// putRow writes the readable row to the month's file and returns its salted
// digest: without the salt nobody can try out numbers against a leaf, and when
// the row is destroyed the leaf tells nothing.
func (l *Ledger) putRow(at time.Time, row any) (digest string, err error) {
	b, err := json.Marshal(row)
	if err != nil {
		return "", err
	}
	salt := make([]byte, 16)
	rand.Read(salt)
	saved := savedRow{Digest: saltedDigest(salt, b), Salt: hex.EncodeToString(salt), Row: b}
	line, err := json.Marshal(saved)
	if err != nil {
		return "", err
	}
	if err := l.openRows(at.Format(rowsMonth)); err != nil {
		return "", err
	}
	if _, err := l.sys.Write(l.rows, append(line, '\n')); err != nil {
		// A torn line would swallow the next one: opened again, the file goes on
		// in a new line. Now there may be no room even for that.
		err = errors.Join(err, l.rows.Close())
		l.rows = nil
		return "", err
	}
	return saved.Digest, nil
}

func (l *Ledger) openRows(month string) error {
	if l.rows != nil && l.month == month {
		return nil
	}
	name := filepath.Join(l.dir, rowsDir, month+rowsExt)
	f, err := l.sys.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, fileMode)
	if err != nil {
		return err
	}
	// What a crash tore off at the end must not take this line with it.
	if info, err := f.Stat(); err == nil && info.Size() > 0 {
		if _, err := l.sys.Write(f, []byte{'\n'}); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	if l.rows != nil {
		err = l.rows.Close()
	}
	l.rows, l.month = f, month
	return err
}

const rowsExt = ".jsonl"

// RowMonths returns the months (2006-01, UTC) whose readable rows are there, or
// the rest of which a crash left, oldest first.
func (l *Ledger) RowMonths() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(l.dir, rowsDir))
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	var months []string
	for _, e := range entries {
		if month, found := strings.CutSuffix(strings.TrimSuffix(e.Name(), goneExt), rowsExt); found {
			months = append(months, month)
		}
	}
	slices.Sort(months)
	return slices.Compact(months), nil
}

// DestroyRows destroys the readable rows of a month that is over. The leaf that
// says so is durable before they go; leaves and proofs stay as they are, and tell
// nothing any more of what was beside them. It may be called again after a crash.
func (l *Ledger) DestroyRows(month string) error {
	if err := l.closeRows(month); err != nil {
		return fmt.Errorf("ledger: rows of %s: %w", month, err)
	}
	name := filepath.Join(l.dir, rowsDir, month+rowsExt)
	if _, err := os.Lstat(name); err == nil {
		if _, err := l.Append(Entry{Kind: EventRowsDestroyed, Subject: month}); err != nil {
			return err
		}
		if _, err := l.Checkpoint(); err != nil {
			return err
		}
	}
	if err := l.sys.giveUp(name); err != nil {
		return fmt.Errorf("ledger: rows of %s: %w", month, err)
	}
	return nil
}

// closeRows closes the file of a month that is over.
func (l *Ledger) closeRows(month string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := l.now().UTC().Format(rowsMonth); month >= now || month >= l.last.Format(rowsMonth) {
		return errors.New("the month is not over")
	}
	if l.rows == nil || l.month != month {
		return nil
	}
	f := l.rows
	l.rows = nil
	return f.Close()
}
