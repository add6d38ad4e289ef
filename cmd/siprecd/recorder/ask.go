package recorder

import (
	"context"
	"errors"
	"sync"

	"siprecd/sip"
)

// asker is what asks the SRC for something: it waits for the answers, while
// offers of the SRC may have to be answered first. startAsking begins its
// goroutine, and another for each snapshot; end ends and awaits them.
type asker struct {
	call    *Call
	session *sip.Session
	ctx     context.Context
	cancel  context.CancelFunc
	wg      sync.WaitGroup

	redirects chan sip.Answer // one at most: of those that wait, the newest
}

func startAsking(ctx context.Context, c *Call, s *sip.Session) *asker {
	a := &asker{call: c, session: s, redirects: make(chan sip.Answer, 1)}
	a.ctx, a.cancel = context.WithCancel(ctx)
	a.wg.Go(a.redirect)
	return a
}

// ask asks for what reply is about. It does not wait.
func (a *asker) ask(reply Reply) {
	if reply.Redirect {
		select {
		case <-a.redirects:
		default:
		}
		a.redirects <- reply.Answer
	}
	if reply.Snapshot != "" {
		a.wg.Go(func() { a.note("snapshot request", a.session.RequestSnapshot(a.ctx, reply.Snapshot)) })
	}
}

func (a *asker) end() {
	a.cancel()
	close(a.redirects)
	a.wg.Wait()
}

// redirect sends re-INVITEs one after the other, so that the last one to be
// answered is the last one that was meant.
func (a *asker) redirect() {
	for answer := range a.redirects {
		a.note("re-INVITE", a.session.Redirect(a.ctx, answer))
	}
}

func (a *asker) note(what string, err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		a.call.note("%s: %v", what, err)
	}
}
