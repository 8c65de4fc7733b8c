package moving

import (
	"context"
	"time"

	"walcast/channels/resume"
)

// receive takes in what other nodes send, until ctx is done.
func (e *Exchange) receive(ctx context.Context) {
	e.Bus.Each(ctx, func(data []byte) error {
		m, err := decode(data)
		if err != nil {
			return err
		}
		now := time.Now()
		switch m.kind {
		case kindQuestion:
			e.answer(&m, now)
		case kindAnswer:
			e.answered(&m)
		case kindTelling, kindTellAll:
			e.learn(&m, now)
			if m.bye {
				e.hand(subjectOf(m.run), &message{kind: kindHeard})
			}
		case kindHeard:
			e.heard(m.run)
		case kindAskAll:
			e.tellAll(subjectOf(m.run))
		}
		return nil
	})
}

// learn takes in what a node tells of clients.
func (e *Exchange) learn(m *message, now time.Time) {
	for _, t := range m.told {
		e.Clients.Learn(t, now)
	}
	if from, vouches := e.hear(m, now); vouches {
		e.Clients.Vouch(from, now)
	}
}

// hear notes that a node has told something. vouches says that it has told all it knows,
// and that from a time on these are all clients that there can be.
func (e *Exchange) hear(m *message, now time.Time) (from time.Time, vouches bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	of, isNew := e.sources.hear(m, now)
	if of == nil {
		return from, false
	}
	if isNew {
		signal(e.wake) // it is asked for all
	}
	if m.kind == kindTelling {
		e.sources.tells(of, m, now)
	} else {
		e.sources.tellsAll(of, m)
	}
	return of.doubts.all, of.hasAll
}

func (e *Exchange) heard(run string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.leaving.heard(run)
}

func (e *Exchange) answered(m *message) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.questions.answer(m)
}

// giftsWaiting bounds the questions of which it is to be found out whether a client lacks
// broadcasts. Of more it is said that it does.
const giftsWaiting = 1000

// gift is the rest of an answer: clients that this node had last.
type gift struct {
	run     string
	number  uint64
	clients []resume.Given
}

// answer says which clients are known that have come to another node. They are that one's
// now.
func (e *Exchange) answer(m *message, now time.Time) {
	a := message{kind: kindAnswer, number: m.number, doubt: e.doubt(now)}
	g := gift{run: m.run, number: m.number}
	for _, id := range m.ids {
		client := e.Clients.Give(id, now)
		if client.Told == nil {
			continue
		}
		a.told = append(a.told, client.Told)
		if client.Heard > 0 || client.Quiet {
			g.clients = append(g.clients, client)
		}
	}
	if len(g.clients) > 0 && !e.isLeaving() {
		select {
		case e.gifts <- g:
			a.more = true
		default:
		}
	}
	e.hand(subjectOf(m.run), &a)
}

// isLeaving reports whether this node goes: it cannot find out any more what was broadcast.
func (e *Exchange) isLeaving() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.leaving.done != nil
}

// give says which of the clients that other nodes got lack no broadcast, until ctx is done.
func (e *Exchange) give(ctx context.Context) {
	for {
		var waiting []gift
		select {
		case <-ctx.Done():
			return
		case g := <-e.gifts:
			waiting = append(waiting, g)
		}
		for n := len(e.gifts); n > 0; n-- {
			waiting = append(waiting, <-e.gifts)
		}
		hasAll := e.Broadcasts.Fence(ctx)
		for _, g := range waiting {
			e.giveOne(g, hasAll)
		}
	}
}

// giveOne ends an answer. hasAll says that all has come that was broadcast before.
func (e *Exchange) giveOne(g gift, hasAll bool) {
	a := message{kind: kindAnswer, number: g.number, doubt: e.doubt(time.Now())}
	for _, client := range g.clients {
		missed, complete := [][]byte(nil), false
		if hasAll {
			missed, complete = e.missed(client)
		}
		switch {
		case !complete:
		case len(missed) == 0:
			a.ids = append(a.ids, client.ID)
		default:
			e.hand(subjectOf(g.run), &message{kind: kindAnswer, number: g.number, doubt: a.doubt, more: true, ids: []resume.ID{client.ID}, missed: missed})
		}
	}
	e.hand(subjectOf(g.run), &a)
}
