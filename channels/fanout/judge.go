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

// judge has Postgres decide what Go cannot, beside the deliveries: who may see a
// row first, and only then what a filter says of it, as the subject. Nobody waits
// for it but the subscriptions whose changes it is about.
type judge struct {
	fanout *Fanout
	queued atomic.Int64 // bytes that wait in the queues of subscriptions

	mu        sync.Mutex
	ready     *sync.Cond
	dockets   map[docketKey]*docket
	bySubject map[*policy.Subject]*desk
	desks     []*desk // in the order of their turns
	tables    map[*wal.Relation]int
	slow      int           // rounds of slow dockets on their way
	least     time.Duration // see usual
	forgot    time.Time
}

func newJudge(f *Fanout) *judge {
	j := &judge{
		fanout: f, dockets: map[docketKey]*docket{}, bySubject: map[*policy.Subject]*desk{}, tables: map[*wal.Relation]int{},
	}
	j.ready = sync.NewCond(&j.mu)
	return j
}

// run puts questions until ctx is done.
func (j *judge) run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.ready.Broadcast()
	})
	defer stop()
	for {
		r := j.next(ctx)
		if r == nil {
			return nil
		}
		if !j.put(ctx, r) {
			return nil
		}
	}
}

// next waits for a round; nil means that ctx is done.
func (j *judge) next(ctx context.Context) *round {
	j.mu.Lock()
	defer j.mu.Unlock()
	for ctx.Err() == nil {
		if r := j.turn(); r != nil {
			return r
		}
		j.ready.Wait()
	}
	return nil
}

// submit has a match asked about: whether its row may be seen where row-level
// security applies, and whether its filter holds where that is undecided.
func (j *judge) submit(m *match) {
	subject, rel, b := m.binding.subject, m.change.Relation, m.binding
	filter := ""
	if m.truth == filters.Undecided {
		filter = b.Filter.String()
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if m.truth == filters.Undecided {
		m.holds = &question{docket: j.docket(docketKey{subject, rel, filter}, b), change: m.change, view: m.view}
	}
	if !m.view.RowSecurity {
		m.holds = j.share(m.holds, b)
		return
	}
	m.seen = j.share(&question{docket: j.docket(docketKey{subject, rel, ""}, b), change: m.change, view: m.view}, b)
	if m.holds != nil {
		m.holds.interest.Add(1)
		m.holds.bindings = append(m.holds.bindings, b)
		m.seen.then = append(m.seen.then, m.holds)
	}
}

// share files a question, or returns the one that is filed already. j.mu is held.
func (j *judge) share(q *question, b *binding) *question {
	if filed := q.docket.byChange[q.change]; filed != nil && isSameView(filed.view, q.view) {
		q = filed
	} else {
		j.file(q)
		j.fanout.metrics.questions.Inc()
	}
	q.interest.Add(1)
	q.bindings = append(q.bindings, b)
	return q
}

// put asks a round until Postgres answers, and tells who waits. It is false when
// ctx is done.
func (j *judge) put(ctx context.Context, r *round) bool {
	started := time.Now()
	for err := j.ask(ctx, r); err != nil; err = j.ask(ctx, r) {
		if !j.fanout.complaints.pause(ctx, "not decided who gets rows, they wait", err) {
			return false
		}
		started = time.Now()
	}
	answered, overruns := j.conclude(r, r.ended.Sub(started))
	j.tell(answered, overruns)
	return true
}

// ask puts the questions of a round. An error means that Postgres could not be
// asked.
func (j *judge) ask(ctx context.Context, r *round) error {
	r.ended = time.Now()
	switch {
	case r.isOff:
		return nil
	case r.parts[0].docket.isAboutRows():
		return j.askRows(ctx, r)
	}
	err := j.askFilter(ctx, &r.parts[0])
	r.ended = time.Now()
	return err
}

// askRows asks who may see rows. The answers count if a look that began after
// them has found the rules as they were when the rows were matched.
func (j *judge) askRows(ctx context.Context, r *round) error {
	inquiries := make([]*policy.Inquiry, len(r.parts))
	for i, p := range r.parts {
		inquiries[i] = &policy.Inquiry{Subject: p.docket.subject}
		for _, q := range p.questions {
			inquiries[i].Changes = append(inquiries[i].Changes, q.change)
		}
	}
	err := j.fanout.policy.VisibleAll(ctx, inquiries)
	if r.ended = time.Now(); err != nil {
		return err
	}
	if _, err := j.fanout.policy.Confirm(ctx, time.Now()); err != nil {
		return err
	}
	for i, p := range r.parts {
		var last *question
		for k, q := range p.questions {
			q.yes, q.raised = inquiries[i].Visible[k], inquiries[i].Errs[k]
			if last != nil && last.view == q.view {
				q.since, q.outdated = last.since, last.outdated
			} else {
				q.since, q.outdated = changedSince(j.fanout.policy, q.view, p.docket.subject)
			}
			last = q
		}
	}
	return nil
}

// askFilter asks what a filter says of rows that the subject may see.
func (j *judge) askFilter(ctx context.Context, p *part) error {
	rows := make([]wal.Row, len(p.questions))
	for i, q := range p.questions {
		if rows[i] = q.change.New; q.change.Operation == wal.Delete {
			rows[i] = q.change.Old
		}
	}
	c := &j.fanout.config
	decisions, err := filters.Decide(ctx, p.docket.relation, p.docket.conditions, rows, c.Locale, c.Operators, p.docket.subject)
	if err != nil {
		return err
	}
	for i, q := range p.questions {
		if q.yes = decisions[i].Truth == filters.True; decisions[i].Err != nil {
			q.raised = &diagnose.FilterError{Table: p.docket.relation.Schema + "." + p.docket.relation.Table, Err: decisions[i].Err}
		}
	}
	return nil
}

// isLate reports whether an answer is that Postgres took too long for it.
func isLate(err error) bool {
	const queryCanceled = "57014"
	var row *policy.AskError
	var filter *diagnose.FilterError
	return errors.As(err, &row) && row.SQLState == queryCanceled || errors.As(err, &filter) && filter.Err.SQLState == queryCanceled
}

// overrun is a binding that has cost too much.
type overrun struct {
	binding *binding
	docket  *docket
}

// conclude takes in the answers of a round and what they have cost. It returns
// the answered questions, and the bindings that are to be switched off.
func (j *judge) conclude(r *round, took time.Duration) (answered []*question, overruns []overrun) {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := time.Now()
	took = max(0, took-2*j.usual(took))
	for _, p := range r.parts {
		over := r.account(p, now, took)
		questions := p.questions
		if over { // all of them go, so nothing is left to ask about
			questions = append(questions, p.docket.empty()...)
		}
		for _, q := range questions {
			for _, b := range q.bindings {
				if over || r.charge(b.subscription.request.Turn, now, took) {
					overruns = append(overruns, overrun{b, p.docket})
				}
			}
			j.answer(q)
		}
		answered = append(answered, questions...)
	}
	j.end(r)
	return answered, overruns
}

// usual is what any round takes, on the network as well: the least that one took
// of late, and never much. j.mu is held.
func (j *judge) usual(took time.Duration) time.Duration {
	if j.least += j.least / 64; j.least == 0 {
		j.least = took
	}
	j.least = min(j.least, took, quickly)
	return j.least
}

// account has the docket of a part pay for it. It reports whether that was too
// much.
func (r *round) account(p part, now time.Time, took time.Duration) (over bool) {
	budget := &p.docket.budget
	for _, q := range p.questions {
		over = budget.end(isLate(q.raised)) || over
	}
	switch {
	case len(r.parts) == 1:
		over = budget.spend(now, took, len(p.questions)) || over
	case !isQuickFor(took, r.size()): // somebody was slow: each is asked alone to find out who
		budget.at = 1
	default:
		budget.spend(now, 0, len(p.questions))
	}
	if over {
		budget.off = now.Add(time.Minute)
	}
	return over || r.isOff
}

// charge has a session pay for a round, once. It reports whether that was too
// much.
func (r *round) charge(t *Turn, now time.Time, took time.Duration) (over bool) {
	rows := len(r.parts[0].questions)
	if len(r.parts) > 1 || took < time.Duration(max(rows, 1))*dearly {
		return false
	}
	over, charged := r.charged[t]
	if !charged {
		over = t.spend(now, took, rows)
		if r.charged == nil {
			r.charged = map[*Turn]bool{}
		}
		r.charged[t] = over
	}
	return over
}

// answer marks a question as done, and asks what comes after it. j.mu is held.
func (j *judge) answer(q *question) {
	for _, then := range q.then {
		if q.yes && !q.outdated && q.raised == nil {
			j.file(then)
		}
	}
	q.done.Store(true)
}

// tell has deliveries send what is decided now, and switches bindings off.
func (j *judge) tell(answered []*question, overruns []overrun) {
	for _, o := range overruns {
		o.binding.switchOff(o.docket.isAboutRows())
	}
	places := map[*delivery][]*Subscription{}
	seen := map[*Subscription]bool{}
	for _, q := range answered {
		for _, b := range q.bindings {
			s := b.subscription
			if place := s.place.Load(); place != nil && !seen[s] {
				seen[s] = true
				places[place] = append(places[place], s)
			}
		}
	}
	for place, subscriptions := range places {
		place.wake(subscriptions)
	}
}
