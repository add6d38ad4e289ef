package place

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"siprecd/media"
	"siprecd/sip"
)

// withKeys returns the lines encrypted, each with a new key of its own.
func withKeys(lines []sip.Line, suite string, tag int) ([]sip.Line, error) {
	lines = slices.Clone(lines)
	for i := range lines {
		k, err := media.NewMasterKey(suite)
		if err != nil {
			return nil, err
		}
		lines[i].Proto = "RTP/SAVP"
		lines[i].Crypto = []sip.Crypto{{Tag: tag, Suite: suite, Keys: []sip.CryptoKey{{Key: k.Key}}}}
	}
	return lines, nil
}

// key is what a line that the SRS accepted is to be encrypted with.
func (l *liveCall) key(line sip.OutgoingLine) (*media.MasterKey, error) {
	if l.SRTP == "" {
		return nil, nil
	}
	c, ok := line.Key()
	if !ok {
		return nil, fmt.Errorf("the SRS accepts line %s without taking its key", line.Label)
	}
	return &media.MasterKey{Suite: c.Suite, Key: c.Keys[0].Key}, nil
}

// rekey gives both lines new keys by re-INVITE, and sends under them once it is
// answered.
func (l *liveCall) rekey(tag int) func(context.Context, *sip.Outgoing, *Parties) error {
	return func(ctx context.Context, rs *sip.Outgoing, _ *Parties) error {
		if l.SRTP == "" {
			return errors.New("there are no keys to change: the call is not encrypted")
		}
		lines, err := withKeys(l.wanted, l.SRTP, tag)
		if err != nil {
			return err
		}
		if err := rs.Reinvite(ctx, sip.Change{Lines: lines}); err != nil {
			return err
		}
		l.wanted = lines
		for i, line := range rs.Lines() {
			if i >= len(l.outs) || l.outs[i] == nil {
				continue
			}
			key, err := l.key(line)
			if err == nil {
				err = l.outs[i].Rekey(key)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
}
