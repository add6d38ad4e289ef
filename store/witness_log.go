package store

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

const (
	witnessLogs    = "logs"
	witnessKeyFile = "witness.key"
	logKeyFile     = "key"
	newestFile     = "newest"
	refusalsFile   = "refusals"

	// mostEvidence is how many contradictions of a log are kept: one is enough.
	mostEvidence = 100
)

// WitnessedLog is what a witness knows of a log.
type WitnessedLog struct {
	Name     string         `json:"name"` // the origin line of its checkpoints
	Key      string         `json:"key"`  // its verifier key
	Size     int64          `json:"size"` // leaves of the newest tree that was cosigned
	Root     string         `json:"root,omitempty"`
	Cosigned time.Time      `json:"cosigned,omitzero"` // by the witness's clock; zero: nothing was yet
	Refused  int            `json:"refused"`           // contradictions, so far
	Last     *LoggedRefusal `json:"last_refusal,omitempty"`
	Evidence []string       `json:"evidence,omitempty"` // files of the witness's directory
}

// LoggedRefusal is a contradiction between what a log signed and what the
// witness cosigned.
type LoggedRefusal struct {
	At   time.Time `json:"at"`
	Why  string    `json:"why"`
	Size int64     `json:"size"` // of the tree that was refused
	Root string    `json:"root"`
	Kept int64     `json:"kept_size"` // of the tree that was cosigned before
	Old  string    `json:"kept_root"`
}

// ReadWitness reads what the witness of a directory knows, whether it runs or
// not, and its verifier key.
func ReadWitness(dir string) (logs []WitnessedLog, key string, err error) {
	pub, err := os.ReadFile(filepath.Join(dir, witnessFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", fmt.Errorf("%s is not the directory of a witness: siprecd witness --dir %s makes one", dir, dir)
	}
	if err != nil {
		return nil, "", err
	}
	key = strings.TrimSpace(string(pub))
	known, err := readWitnessedLogs(dir, key)
	for _, l := range known {
		logs = append(logs, l.WitnessedLog)
	}
	return logs, key, err
}

// readWitnessedLogs reads every log of a witness's directory, in order of their
// folders.
func readWitnessedLogs(dir, witnessKey string) ([]*witnessedLog, error) {
	entries, err := os.ReadDir(filepath.Join(dir, witnessLogs))
	if err != nil {
		return nil, err
	}
	var logs []*witnessedLog
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		l := &witnessedLog{dir: filepath.Join(dir, witnessLogs, e.Name())}
		if err := l.read(witnessKey); errors.Is(err, errNoKey) {
			continue // a crash came between the folder and its key
		} else if err != nil {
			return nil, fmt.Errorf("%s/%s: %w", witnessLogs, e.Name(), err)
		}
		logs = append(logs, l)
	}
	return logs, nil
}

var errNoKey = errors.New("no key")

func (l *witnessedLog) read(witnessKey string) error {
	key, err := os.ReadFile(filepath.Join(l.dir, logKeyFile))
	if errors.Is(err, fs.ErrNotExist) {
		return errNoKey
	}
	if err != nil {
		return err
	}
	l.Key = strings.TrimSpace(string(key))
	v, err := note.NewVerifier(l.Key)
	if err != nil {
		return fmt.Errorf("%s: %w", logKeyFile, err)
	}
	l.Name = v.Name()
	// What cannot be read is no reason to begin anew: a witness that forgets
	// can be made to cosign another past.
	switch newest, err := os.ReadFile(filepath.Join(l.dir, newestFile)); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	default:
		c, err := ReadCosigned(newest, l.Key, witnessKey)
		if err != nil {
			return fmt.Errorf("%s: %w", newestFile, err)
		}
		l.take(c)
	}
	return l.readRefusals()
}

func (l *witnessedLog) readRefusals() error {
	text, err := os.ReadFile(filepath.Join(l.dir, refusalsFile))
	if err == nil {
		var saved savedRefusals
		if err := json.Unmarshal(text, &saved); err != nil {
			return fmt.Errorf("%s: %w", refusalsFile, err)
		}
		l.Refused, l.Last = saved.Refused, &saved.Last
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	kept, err := os.ReadDir(filepath.Join(l.dir, refusedFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range kept {
		if !strings.HasSuffix(e.Name(), partSuffix) {
			l.Evidence = append(l.Evidence, filepath.Join(witnessLogs, filepath.Base(l.dir), refusedFile, e.Name()))
		}
	}
	return nil
}

// savedRefusals is the file beside the evidence.
type savedRefusals struct {
	Refused int           `json:"refused"`
	Last    LoggedRefusal `json:"last"`
}

func (l *witnessedLog) take(c Cosigned) {
	l.Size, l.root, l.time, l.Cosigned = c.Size, c.Root, c.Time, c.At
	l.Root = base64.StdEncoding.EncodeToString(c.Root[:])
}

// logFolder is the folder of a log: a name may hold any character.
func logFolder(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:8])
}

// refuse keeps what contradicts, says so, and returns the answer. That it could
// not be kept is no reason to answer otherwise.
func (w *Witness) refuse(l *witnessedLog, c Checkpoint, cause error) error {
	why := l.contradicts(c, cause)
	if why == "" {
		return cause
	}
	r := LoggedRefusal{At: w.now().UTC().Truncate(time.Second), Why: why, Size: c.Size,
		Root: base64.StdEncoding.EncodeToString(c.Root[:]), Kept: l.Size, Old: l.Root}
	w.log.Error("a log contradicts itself: refused, and kept", "log", l.Name, "reason", why,
		"size", r.Size, "root", r.Root, "kept_size", r.Kept, "kept_root", r.Old)
	l.Refused, l.Last = l.Refused+1, &r
	name := filepath.Join(refusedFile, fmt.Sprintf("%d-%s", c.Size, hex.EncodeToString(c.Root[:8])))
	if _, err := os.Stat(filepath.Join(l.dir, name)); err != nil && len(l.Evidence) < mostEvidence {
		if err := w.sys.replace(filepath.Join(l.dir, name), c.Note); err != nil {
			w.log.Error("what contradicts could not be kept", "log", l.Name, "reason", err)
		} else {
			l.Evidence = append(l.Evidence, filepath.Join(witnessLogs, filepath.Base(l.dir), name))
		}
	}
	text, err := json.Marshal(savedRefusals{l.Refused, r})
	if err == nil {
		err = w.sys.replace(filepath.Join(l.dir, refusalsFile), append(text, '\n'))
	}
	if err != nil {
		w.log.Error("the refusal could not be kept", "log", l.Name, "reason", err)
	}
	return cause
}
