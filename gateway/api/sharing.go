package api

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"walcast/cluster"
	"walcast/internal/nodes"
)

const (
	// findLimit is how long other nodes are waited for that may know a request.
	findLimit = 200 * time.Millisecond
	// endLimit is how long other nodes are waited for that end sessions or channels.
	endLimit = 2 * time.Second
	// spentEvery is how often nodes tell what senders have sent.
	spentEvery = 500 * time.Millisecond
	// spentMost is of how many senders one notice tells.
	spentMost = 2000
)

// subjectRequests is what all nodes listen to; the run of one follows for its answers.
const subjectRequests = "requests"

// sharing has the nodes of a cluster tell each other of requests, so that one that is
// repeated elsewhere is not done twice, senders are held to their rates whichever node they
// ask, and sessions and channels are ended wherever they are. It is safe for concurrent use.
type sharing struct {
	feed    *cluster.Feed
	run     string
	present func() []cluster.Node // the nodes that are there, this one among them
	repeats *repeats
	senders *senders
	hub     ender

	mu     sync.Mutex
	number uint64                   // of the newest question
	asked  map[uint64]chan<- notice // where answers go, by question
}

func newSharing(feed *cluster.Feed, present func() []cluster.Node, r *repeats, s *senders, h ender) *sharing {
	return &sharing{feed: feed, run: rand.Text(), present: present, repeats: r, senders: s, hub: h, asked: map[uint64]chan<- notice{}}
}

// find implements others.
func (s *sharing) find(ctx context.Context, scope digest) (f found) {
	_ = s.ask(ctx, notice{Kind: kindQuestion, Scope: scope[:]}, findLimit, func(a notice) (enough bool) { // who does not answer knows nothing
		if a.Done != nil {
			d := a.Done.done()
			f = found{done: &d}
			return true
		}
		f.running = f.running || a.Running
		return false
	})
	return f
}

// end has the other nodes end sessions or channels, and returns how many they have ended.
// After an error some nodes may not have ended theirs.
func (s *sharing) end(ctx context.Context, what endNotice) (ended int, err error) {
	err = s.ask(ctx, notice{Kind: kindEnd, End: &what}, endLimit, func(a notice) (enough bool) {
		ended += a.Ended
		return false
	})
	return ended, err
}

// ask asks all other nodes and calls take with their answers, until there are enough or
// the limit is over. An error says how many have not answered.
func (s *sharing) ask(ctx context.Context, question notice, limit time.Duration, take func(notice) (enough bool)) error {
	others := len(s.present()) - 1
	if others == 0 && s.feed.Connected() {
		return nil
	}
	answers := make(chan notice, max(others, 1))
	question.Run, question.Number = s.run, s.begin(answers)
	defer s.forget(question.Number)
	if err := s.feed.Send(subjectRequests, question.encode()); err != nil || others == 0 {
		return errors.New("this node has no connection to the other nodes: ask again")
	}
	late := time.NewTimer(limit)
	defer late.Stop()
	for answered := range others {
		select {
		case a := <-answers:
			if take(a) {
				return nil
			}
			continue
		case <-late.C:
		case <-ctx.Done():
		}
		return fmt.Errorf("%d of %d other nodes have not answered yet: ask again", others-answered, others)
	}
	return nil
}

func (s *sharing) begin(answers chan<- notice) (number uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.number++
	s.asked[s.number] = answers
	return s.number
}

func (s *sharing) forget(number uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.asked, number)
}

// answered takes an answer to who has asked, if that waits still.
func (s *sharing) answered(n notice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.asked[n.Number] <- n:
	default: // more have answered than were there
	}
}

// tell implements others.
func (s *sharing) tell(scope digest, d done) {
	_ = s.feed.Send(subjectRequests, notice{Kind: kindDone, Run: s.run, Scope: scope[:], Done: d.told()}.encode()) // who asks later is answered
}

// Run shares until ctx is done. It blocks until everything it started has returned.
func (s *sharing) Run(ctx context.Context) error {
	return nodes.Run(ctx, s.feed, []string{subjectRequests, subjectRequests + "." + s.run}, s.receive, s.account, func() {})
}

// receive takes in what other nodes say, until ctx is done.
func (s *sharing) receive(ctx context.Context) {
	s.feed.Each(ctx, func(text []byte) error {
		n, err := decodeNotice(text)
		if err != nil {
			return err
		}
		switch n.Kind {
		case kindQuestion:
			s.answer(n)
		case kindEnd:
			s.endHere(n)
		case kindAnswer, kindEnded:
			s.answered(n)
		case kindDone:
			s.repeats.learn(digest(n.Scope), n.Done.done(), time.Now())
		case kindSpent:
			s.senders.charge(n.Spent, time.Now())
		}
		return nil
	})
}

func (s *sharing) answer(q notice) {
	f := s.repeats.answer(digest(q.Scope), q.Run < s.run, time.Now())
	a := notice{Kind: kindAnswer, Run: s.run, Number: q.Number, Running: f.running}
	if f.done != nil {
		a.Done = f.done.told()
	}
	_ = s.feed.Send(subjectRequests+"."+q.Run, a.encode()) // who asks does not wait for long
}

// endHere ends sessions or channels of this node that another was asked to end.
func (s *sharing) endHere(q notice) {
	sel, err := readSelection(q.End.Body)
	if err != nil {
		return // a newer version selects by more: who asks is told that this node has not answered
	}
	a := notice{Kind: kindEnded, Run: s.run, Number: q.Number, Ended: q.End.What.end(s.hub, sel)}
	_ = s.feed.Send(subjectRequests+"."+q.Run, a.encode()) // who asks does not wait for long
}

// account tells other nodes again and again what senders have sent, until ctx is done.
func (s *sharing) account(ctx context.Context) {
	tick := time.NewTicker(spentEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for all := s.senders.spent.take(); len(all) > 0; {
			some := all[:min(len(all), spentMost)]
			all = all[len(some):]
			_ = s.feed.Send(subjectRequests, notice{Kind: kindSpent, Run: s.run, Spent: some}.encode()) // lost: for a moment a sender has more
		}
	}
}
