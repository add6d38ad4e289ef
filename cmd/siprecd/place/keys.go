package place

import (
	"fmt"
	"strings"
	"time"

	"siprecd/media"
)

const (
	keyHold = 100 * time.Millisecond // how long each key of a ParseKeys text is held
	keyGap  = 60 * time.Millisecond  // and the time until the next
)

// ParseKeys reads "3s:*1": the keys to press one after the other, the first at
// the time given.
func ParseKeys(text string) ([]media.KeyTone, error) {
	at, keys, _ := strings.Cut(text, ":")
	from, err := time.ParseDuration(at)
	if err != nil || from < 0 || keys == "" {
		return nil, fmt.Errorf("keys %q: write TIME:KEYS, e.g. 3s:*1", text)
	}
	var tones []media.KeyTone
	for i, key := range strings.ToUpper(keys) {
		if !strings.ContainsRune("0123456789*#ABCD", key) {
			return nil, fmt.Errorf("keys %q: %q is no key; 0-9, *, # and A-D are", text, key)
		}
		tones = append(tones, media.KeyTone{At: from + time.Duration(i)*(keyHold+keyGap), Digit: byte(key), Duration: keyHold})
	}
	return tones, nil
}
