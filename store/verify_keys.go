package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"filippo.io/age/plugin"
	"github.com/oklog/ulid/v2"
)

// statedKeys is what the ledger says of the days' keys. Its zero value is ready.
type statedKeys struct {
	dead       map[Day]bool                // nothing of their keys is left
	recipients map[Day]map[string]struct{} // digests of what recordings that live are sealed to
}

// take takes the next leaf.
func (t *statedKeys) take(l Leaf) {
	if t.dead == nil {
		t.dead, t.recipients = make(map[Day]bool), make(map[Day]map[string]struct{})
	}
	switch day := Day(l.Public["dies"]); {
	case l.Kind == EventDayDestroyed && l.Public["secret-destroyed"] == "true":
		t.dead[Day(l.Subject)] = true
		delete(t.recipients, Day(l.Subject))
	case l.Public[dayRecipientFact] != "" && !t.dead[day]:
		if t.recipients[day] == nil {
			t.recipients[day] = make(map[string]struct{})
		}
		t.recipients[day][l.Public[dayRecipientFact]] = struct{}{}
	}
}

// keyring holds the keys against what the ledger says of them, and looks at what
// can be seen of them without any. A backup has none.
func (l *looking) keyring(ctx context.Context) error {
	k := l.s.Keys
	if k == nil {
		return nil
	}
	custodians, err := l.custodians(k)
	if err != nil {
		return err
	}
	l.copies(k)
	days, err := k.dirs(daysDir)
	if err != nil {
		l.findKey(daysDir, "unreadable", err.Error())
	}
	lacks := make(map[string][]string) // by custodian
	for _, d := range days {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		l.day(k, d, custodians, lacks)
	}
	for name, copies := range lacks {
		detail := "custodian " + name + " cannot open what dies that day"
		if n := len(copies); n > 1 {
			detail += fmt.Sprintf(", nor on %d more", n-1)
		}
		l.findKey(copies[0], "missing", detail)
	}
	for d := range l.ring.recipients {
		if !slices.Contains(days, d) && !l.w.changed(string(d)) {
			l.findKey(path.Join(daysDir, string(d)), "missing", "recordings are sealed to its keys")
		}
	}
	return l.headers(ctx, k)
}

func (l *looking) findKey(where, what, detail string) {
	l.find(Stored{Name: path.Join(keysDir, where)}, what, detail)
}

// dirs lists the days below a directory of keys.
func (k *Keys) dirs(of string) (days []Day, err error) {
	entries, err := os.ReadDir(filepath.Join(k.dir, of))
	for _, e := range entries {
		days = append(days, Day(e.Name()))
	}
	return days, err
}

// custodians looks at public halves and the identities that lie beside them.
func (l *looking) custodians(k *Keys) ([]Custodian, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	all, err := k.Custodians()
	if err != nil {
		return nil, err
	}
	for _, c := range all {
		what := "altered"
		if k.unknown(c) && parses(c.Recipient) {
			what = "added"
		}
		if c.Damaged != "" {
			l.findKey(path.Join(custodiansDir, c.Name+pubExt), what, c.Damaged)
		}
	}
	for _, digest := range k.lost(all) {
		l.findKey(custodiansDir, "missing", "the public half of a custodian that the ledger knows, with the SHA-256 "+digest)
	}
	return all, nil
}

// copies holds the list of copies of keys against the leaves of backups.
func (l *looking) copies(k *Keys) {
	k.mu.Lock()
	defer k.mu.Unlock()
	listed, err := k.copies()
	if err != nil {
		l.findKey(backupKeysFile, "altered", err.Error())
	} else if n := len(k.toldCopies()); len(listed) < n {
		l.findKey(backupKeysFile, "missing", fmt.Sprintf("the ledger knows of %d copies of keys, it lists %d", n, len(listed)))
	}
}

// day looks at the keys of one day.
func (l *looking) day(k *Keys, d Day, custodians []Custodian, lacks map[string][]string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	where := path.Join(daysDir, string(d))
	over := k.over(d)
	switch {
	case l.w.changed(string(d)):
		return // it is dying
	case !d.Valid():
		l.findKey(where, "added", "it is no day")
	case l.ring.dead[d]:
		if left := k.leftOf(d); len(left) > 0 {
			l.findKey(path.Join(where, left[0]), "added", fmt.Sprintf("the ledger says that the day is over; %s of its keys", counted(len(left), "file")))
		}
	case over:
		l.findKey(path.Join(where, destroyedFile), "added", "no leaf says that the day is over")
	default:
		l.identities(k, d, custodians, lacks)
	}
}

// counted is 1 file, 2 files.
func counted(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// identities looks at the identities of a day that lives.
func (l *looking) identities(k *Keys, d Day, custodians []Custodian, lacks map[string][]string) {
	at := func(name string, nth int) string { return path.Join(daysDir, string(d), numbered(name, nth)) }
	n, err := k.identitiesOf(d)
	if err != nil {
		l.findKey(path.Join(daysDir, string(d)), "unreadable", err.Error())
		return
	}
	unseen := make(map[string]bool)
	for digest := range l.ring.recipients[d] {
		unseen[digest] = true
	}
	for nth := 1; nth <= n; nth++ {
		sealed, _ := filepath.Glob(k.day(d, numbered("*", nth)+sealedExt))
		sealed = slices.DeleteFunc(sealed, func(name string) bool { _, of, _ := split(filepath.Base(name)); return of != nth })
		r, err := k.public(d, nth)
		switch {
		case errors.Is(err, fs.ErrNotExist) && len(sealed) == 0:
			continue // nothing is left of it; what was sealed to it is told by its leaves
		case errors.Is(err, fs.ErrNotExist):
			l.findKey(at(recipientFile, nth), "missing", "the public half of what is sealed beside it")
		case err != nil:
			l.findKey(at(recipientFile, nth), "altered", err.Error())
		default:
			delete(unseen, recipientDigest(r.String()))
			if len(sealed) == 0 {
				l.findKey(at(recipientFile, nth), "missing", "nobody has its secret half")
			}
		}
		for _, name := range sealed {
			if wrong := k.copyWrong(name, r, custodians); wrong != "" {
				l.findKey(path.Join(daysDir, string(d), filepath.Base(name)), "altered", wrong)
			}
		}
		for _, c := range custodians {
			if name := at(c.Name, nth) + sealedExt; k.shouldHave(c, r, len(sealed)) && isGone(filepath.Join(k.dir, filepath.FromSlash(name))) {
				lacks[c.Name] = append(lacks[c.Name], name)
			}
		}
	}
	for range unseen {
		l.findKey(path.Join(daysDir, string(d)), "altered", "recordings that die that day are sealed to a key that is not there any more")
	}
}

// shouldHave reports whether a custodian should have a copy of an identity: one
// who was made in an emergency has those from then on, one whose program may be
// missing has those that could be sealed.
func (k *Keys) shouldHave(c Custodian, r *age.HybridRecipient, sealed int) bool {
	if c.Damaged != "" || r == nil || sealed == 0 || strings.HasPrefix(c.Name, emergencyCustodian) {
		return false
	}
	to, err := parseRecipient(c.Recipient)
	_, ofProgram := to.(*plugin.Recipient)
	return err == nil && !ofProgram
}

// copyWrong says what is wrong with a sealed copy of a secret, as far as it can be
// seen, or with what is unlocked; "": nothing.
func (k *Keys) copyWrong(name string, of *age.HybridRecipient, custodians []Custodian) string {
	b, err := os.ReadFile(name)
	switch {
	case err != nil:
		return err.Error()
	case !wholeAge(b):
		return "it is no age file any more"
	}
	k.expire(time.Now())
	if len(k.unlocked) == 0 {
		return ""
	}
	id, err := openCopy(name, k.unlocked)
	_, others := errors.AsType[*age.NoIdentityMatchError](err)
	switch {
	case others && k.hasUnlocked(name, custodians):
		return "it does not open for whom it was sealed to"
	case others:
	case err != nil:
		return err.Error()
	case of != nil && id.Recipient().String() != of.String():
		return "it holds another secret than that of the public half"
	}
	return ""
}

// hasUnlocked reports whether the custodian in the name of a copy has unlocked.
func (k *Keys) hasUnlocked(file string, custodians []Custodian) bool {
	name, _, _ := split(filepath.Base(file))
	return slices.ContainsFunc(custodians, func(c Custodian) bool {
		return c.Name == name && c.Damaged == "" && slices.ContainsFunc(k.unlocked, func(id age.Identity) bool {
			switch id := id.(type) {
			case *age.HybridIdentity:
				return id.Recipient().String() == c.Recipient
			case *age.X25519Identity:
				return id.Recipient().String() == c.Recipient
			}
			return false
		})
	})
}

// headers holds the age headers against the leaves, both ways.
func (l *looking) headers(ctx context.Context, k *Keys) error {
	missing := make(map[string]bool) // that was found already
	for _, f := range l.v.Findings {
		missing[f.Subject] = missing[f.Subject] || f.What == "missing"
	}
	days, err := k.dirs(headersDir)
	if err != nil {
		l.findKey(headersDir, "unreadable", err.Error())
	}
	for d := range l.stated.days {
		if d != "" && !slices.Contains(days, d) {
			days = append(days, d)
		}
	}
	for _, d := range days {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		l.headersOf(k, d, missing)
	}
	return nil
}

func (l *looking) headersOf(k *Keys, d Day, missing map[string]bool) {
	where := path.Join(headersDir, string(d))
	entries, err := os.ReadDir(filepath.Join(k.dir, filepath.FromSlash(where)))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.findKey(where, "unreadable", err.Error())
		return
	}
	if l.w.changed(string(d)) {
		return // it is dying
	}
	there := make(map[string]bool, len(entries))
	owned := false
	for _, e := range entries {
		there[e.Name()] = true
		why := l.strayHeader(d, e.Name())
		owned = owned || why == ""
		if why != "" {
			l.find(Stored{Name: path.Join(keysDir, where, e.Name()), ID: recordingOf(e.Name())}, "added", why)
		}
	}
	if _, stated := l.ring.recipients[d]; owned && !stated && isGone(k.day(d, "")) {
		l.findKey(path.Join(daysDir, string(d)), "missing", "recordings are sealed to its keys")
	}
	for u, leaf := range l.stated.days[d] {
		id := u.String()
		if leaf.over || missing[id] {
			continue
		}
		own := leaf.header != (sum256{}) && !there[id]
		sibling, err := originalID(id)
		if own || err == nil && leaf.original != nil && leaf.original.header != (sum256{}) && !there[sibling] {
			name := cmp.Or(map[bool]string{true: id}[own], sibling)
			l.find(Stored{Name: path.Join(keysDir, where, name), ID: id}, "missing", fmt.Sprintf("the age header of what leaf %d speaks of: nothing opens it", leaf.seq))
		}
	}
}

// recordingOf is the id in the name of a header, "" when it is none.
func recordingOf(name string) string {
	if _, err := began(name); err != nil {
		return ""
	}
	return name
}

// strayHeader says why the header of that name should not be among those of a
// day; "": it should, or a call that is being sealed owns it.
func (l *looking) strayHeader(d Day, name string) string {
	u, err := ulid.ParseStrict(name)
	if err != nil || u.String() != name {
		if strings.HasSuffix(name, partSuffix) {
			return "" // a crash left it
		}
		return "it is no header of a recording"
	}
	sibling, _ := originalID(name)
	own, original := l.stated.days[d][u], l.stated.days[d][ulid.MustParse(sibling)]
	switch {
	case own != nil && !own.over && (own.sha256 != (sum256{}) || own.original != nil):
		return ""
	case original != nil && !original.over && original.original != nil:
		return ""
	}
	for _, id := range []string{name, sibling} {
		if l.w.changed(id) || l.strays[id] != nil || !isGone(filepath.Join(l.s.tapeDir(), id+tapeSuffix)) {
			return "" // it is being sealed, or found already
		}
	}
	leaf := cmp.Or(own, original, l.stated.of(name), l.stated.of(sibling))
	switch {
	case leaf == nil && l.ring.dead[d]:
		return "the ledger says that its day is over; it is there"
	case leaf == nil:
		return "the ledger knows no such recording that lives"
	case leaf.over:
		return "the ledger says it was ended; it is there"
	case leaf.dies != d:
		return fmt.Sprintf("leaf %d says that the recording dies on %s", leaf.seq, leaf.dies)
	}
	return fmt.Sprintf("leaf %d states no such header", leaf.seq)
}
