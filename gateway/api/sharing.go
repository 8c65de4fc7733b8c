package api

import (
	"context"
	"crypto/rand"
	"sync"
	"time"

	"walcast/cluster"
	"walcast/internal/nodes"
)

const (
	// findLimit is how long other nodes are waited for.
	findLimit = 200 * time.Millisecond
	// spentEvery is how often nodes tell what senders have sent.
	spentEvery = 500 * time.Millisecond
	// spentMost is of how many senders one notice tells.
	spentMost = 2000
)

// subjectRequests is what all nodes listen to; the run of one follows for its answers.
const subjectRequests = "requests"

// sharing has the nodes of a cluster tell each other of requests, so that one that is
// repeated elsewhere is not done twice, and senders are held to their rates whichever
// node they ask. It is safe for concurrent use.
type sharing struct {
	feed    *cluster.Feed
	run     string
	present func() []cluster.Node // the nodes that are there, this one among them
	repeats *repeats
	senders *senders

	mu     sync.Mutex
	number uint64                   // of the newest question
	asked  map[uint64]chan<- notice // where answers go, by question
}

func newSharing(feed *cluster.Feed, present func() []cluster.Node, r *repeats, s *senders) *sharing {
	return &sharing{feed: feed, run: rand.Text(), present: present, repeats: r, senders: s, asked: map[uint64]chan<- notice{}}
}

// find implements others.
func (s *sharing) find(ctx context.Context, scope digest) (f found) {
	awaited := len(s.present()) - 1
	if awaited == 0 {
		return f
	}
	answers := make(chan notice, awaited)
	number := s.begin(answers)
	defer s.end(number)
	if s.feed.Send(subjectRequests, notice{Kind: kindQuestion, Run: s.run, Number: number, Scope: scope[:]}.encode()) != nil {
		return f // nobody can be asked
	}
	limit := time.NewTimer(findLimit)
	defer limit.Stop()
	for range awaited {
		select {
		case a := <-answers:
			if a.Done != nil {
				d := a.Done.done()
				return found{done: &d}
			}
			f.running = f.running || a.Running
		case <-limit.C:
			return f
		case <-ctx.Done():
			return f
		}
	}
	return f
}

func (s *sharing) begin(answers chan<- notice) (number uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.number++
	s.asked[s.number] = answers
	return s.number
}

func (s *sharing) end(number uint64) {
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
		case kindAnswer:
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
