package fanout

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"walcast/diagnose"
	"walcast/filters"
	"walcast/policy"
	"walcast/replication/wal"
)

// asker has Postgres decide what Go cannot, beside the deliveries: first whether
// a subject may see a row, and then, as that subject, whether a filter holds.
// Only the subscriptions that a question is about wait for its answer.
type asker struct {
	fanout *Fanout
	queued atomic.Int64 // bytes that wait in the queues of all subscriptions

	mu        sync.Mutex
	ready     *sync.Cond
	groups    map[groupKey]*group
	byAccount map[policy.Account]*accountQueue
	queues    []*accountQueue       // accounts with questions, in the order of their turns
	tables    map[*wal.Relation]int // rounds about each table that are being asked, without slow ones
	slow      int                   // slow rounds that are being asked
	least     time.Duration         // see usual
	forgotAt  time.Time             // when groups were last dropped, see forget
}

func newAsker(f *Fanout) *asker {
	a := &asker{
		fanout: f, groups: map[groupKey]*group{}, byAccount: map[policy.Account]*accountQueue{}, tables: map[*wal.Relation]int{},
	}
	a.ready = sync.NewCond(&a.mu)
	return a
}

// run asks questions until ctx is done.
func (a *asker) run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.ready.Broadcast()
	})
	defer stop()
	for {
		r := a.next(ctx)
		if r == nil {
			return nil
		}
		if !a.put(ctx, r) {
			return nil
		}
	}
}

// next waits for a round; nil means that ctx is done.
func (a *asker) next(ctx context.Context) *round {
	a.mu.Lock()
	defer a.mu.Unlock()
	for ctx.Err() == nil {
		if r := a.pickRound(); r != nil {
			return r
		}
		a.ready.Wait()
	}
	return nil
}

// submit asks about a match: whether its row may be seen, if row-level security
// applies, and whether its filter holds, if Go cannot tell. The filter is asked
// about only once the row may be seen.
func (a *asker) submit(m *match) {
	subject, rel, b := m.binding.subject, m.change.Relation, m.binding
	filter := ""
	if m.truth == filters.Undecided {
		filter = b.Filter.String()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if m.truth == filters.Undecided {
		m.holds = &question{group: a.group(groupKey{subject, rel, filter}, b), change: m.change, view: m.view}
	}
	if !m.view.RowSecurity {
		m.holds = a.share(m.holds, b)
		return
	}
	m.seen = a.share(&question{group: a.group(groupKey{subject, rel, ""}, b), change: m.change, view: m.view}, b)
	if m.holds != nil {
		m.holds.interest.Add(1)
		m.holds.bindings = append(m.holds.bindings, b)
		m.seen.then = append(m.seen.then, m.holds)
	}
}

// share adds a question, or returns an equal one that is not asked yet. a.mu
// must be held.
func (a *asker) share(q *question, b *binding) *question {
	if filed := q.group.byChange[q.change]; filed != nil && isSameView(filed.view, q.view) {
		q = filed
	} else {
		a.add(q)
		a.fanout.metrics.questions.Inc()
	}
	q.interest.Add(1)
	q.bindings = append(q.bindings, b)
	return q
}

// put asks a round until Postgres answers, and has what was waiting for it
// sent. It is false when ctx is done.
func (a *asker) put(ctx context.Context, r *round) bool {
	for err := a.ask(ctx, r); err != nil; err = a.ask(ctx, r) {
		if !a.fanout.complaints.pause(ctx, "not decided who gets rows, they wait", err) {
			return false
		}
	}
	answered, overruns := a.conclude(r, r.took)
	a.tell(answered, overruns)
	return true
}

// ask puts the questions of a round. An error means that Postgres could not be
// asked.
func (a *asker) ask(ctx context.Context, r *round) error {
	switch {
	case r.isOff:
		return nil
	case r.parts[0].group.isAboutRows():
		return a.askRows(ctx, r)
	}
	started := time.Now()
	err := a.askFilter(ctx, &r.parts[0])
	r.took = time.Since(started)
	return err
}

// askRows asks whether subjects may see rows. After the answers it waits for a look at the
// rules of access: an answer counts only if they are still those by which its
// row was matched.
func (a *asker) askRows(ctx context.Context, r *round) error {
	inquiries := make([]*policy.Inquiry, len(r.parts))
	for i, p := range r.parts {
		inquiries[i] = &policy.Inquiry{Subject: p.group.subject}
		for _, q := range p.questions {
			inquiries[i].Changes = append(inquiries[i].Changes, q.change)
		}
	}
	took, err := a.fanout.policy.VisibleAll(ctx, inquiries)
	if r.took = took; err != nil {
		return err
	}
	if _, err := a.fanout.policy.Confirm(ctx, time.Now()); err != nil {
		return err
	}
	for i, p := range r.parts {
		for k, q := range p.questions {
			q.yes, q.raised = inquiries[i].Visible[k], inquiries[i].Errs[k]
			q.rules = changedSince(a.fanout.policy, q.view, p.group.subject, q.change)
		}
	}
	a.noteStale(ctx, r, inquiries)
	return nil
}

// askFilter asks what a filter says of rows that the subject may see.
func (a *asker) askFilter(ctx context.Context, p *part) error {
	rows := make([]wal.Row, len(p.questions))
	for i, q := range p.questions {
		if rows[i] = q.change.New; q.change.Operation == wal.Delete {
			rows[i] = q.change.Old
		}
	}
	c := &a.fanout.config
	decisions, err := filters.Decide(ctx, p.group.relation, p.group.conditions, rows, c.Locale, c.Operators, p.group.subject)
	if err != nil {
		return err
	}
	for i, q := range p.questions {
		if q.yes = decisions[i].Truth == filters.True; decisions[i].Err != nil {
			q.raised = &diagnose.FilterError{Table: p.group.relation.Schema + "." + p.group.relation.Table, Err: decisions[i].Err}
		}
	}
	return nil
}

// isLate reports whether an error says that Postgres took too long to answer.
func isLate(err error) bool {
	var row *policy.AskError
	var filter *diagnose.FilterError
	return errors.As(err, &row) && row.TimedOut() || errors.As(err, &filter) && filter.Err.TimedOut()
}

// overrun is a binding that has cost too much, by questions of a group.
type overrun struct {
	binding *binding
	group   *group
}

// conclude takes in the answers of a round and what they have cost: took is
// Postgres' time for all of them. It returns the answered questions, and the bindings that
// are to be switched off.
func (a *asker) conclude(r *round, took time.Duration) (answered []*question, overruns []overrun) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	took = max(0, took-2*a.usual(took))
	for _, p := range r.parts {
		over := r.account(p, now, took)
		questions := p.questions
		if over { // its bindings are switched off, so no question of the group is left
			questions = append(questions, p.group.empty()...)
		}
		for _, q := range questions {
			for _, b := range q.bindings {
				if over || r.charge(b.subscription.request.Session, now, took) {
					overruns = append(overruns, overrun{b, p.group})
				}
			}
			a.answer(q)
		}
		answered = append(answered, questions...)
	}
	a.end(r)
	return answered, overruns
}

// usual is what every round costs, mostly on the network: the shortest time
// that one has taken of late, with a fixed maximum. a.mu must be held.
func (a *asker) usual(took time.Duration) time.Duration {
	if a.least += a.least / 64; a.least == 0 {
		a.least = took
	}
	a.least = min(a.least, took, quickly)
	return a.least
}

// account charges the group of a part for the round. It reports whether that
// was too much.
func (r *round) account(p part, now time.Time, took time.Duration) (over bool) {
	budget := &p.group.budget
	for _, q := range p.questions {
		over = budget.end(isLate(q.raised)) || over
	}
	switch {
	case len(r.parts) == 1:
		over = budget.spend(now, took, len(p.questions)) || over
	case !isQuickFor(took, r.size()): // each group is asked alone next, to find the slow one
		budget.at = 1
	default:
		budget.spend(now, 0, len(p.questions))
	}
	if over {
		budget.off = now.Add(time.Minute)
	}
	return over || r.isOff
}

// charge charges a session for a round, once. It reports whether that was too
// much.
func (r *round) charge(s *Session, now time.Time, took time.Duration) (over bool) {
	rows := len(r.parts[0].questions)
	if len(r.parts) > 1 || took < time.Duration(max(rows, 1))*dearly {
		return false
	}
	over, charged := r.charged[s]
	if !charged {
		over = s.cost.spend(now, took, rows)
		if r.charged == nil {
			r.charged = map[*Session]bool{}
		}
		r.charged[s] = over
	}
	return over
}

// answer marks a question as done, and asks about the filters that depend on
// it. a.mu must be held.
func (a *asker) answer(q *question) {
	for _, then := range q.then {
		if q.yes && q.rules == current && q.raised == nil {
			a.add(then)
		}
	}
	q.done.Store(true)
}

// tell switches bindings off, and has deliveries send what is decided now.
func (a *asker) tell(answered []*question, overruns []overrun) {
	for _, o := range overruns {
		o.binding.switchOff(o.group.isAboutRows())
	}
	deliveries := map[*delivery][]*Subscription{}
	seen := map[*Subscription]bool{}
	for _, q := range answered {
		for _, b := range q.bindings {
			s := b.subscription
			if at := s.attachedTo.Load(); at != nil && !seen[s] {
				seen[s] = true
				deliveries[at] = append(deliveries[at], s)
			}
		}
	}
	for at, subscriptions := range deliveries {
		at.wake(subscriptions)
	}
}
