package fanout

import (
	"slices"
	"time"

	"walcast/policy"
	"walcast/replication/wal"
)

// accountQueue is the groups of questions of the subjects of one account. Accounts have
// their turns one after the other, whatever each of them asks.
type accountQueue struct {
	account policy.Account
	groups  []*group        // groups with questions that are not being asked, in the order of their turns
	about   []*wal.Relation // the tables of the rounds of the account that are being asked
	slow    int             // slow ones among these
	queued  bool            // it waits in asker.queues for its turn
}

// How many rounds are asked at once.
const (
	roundsAtOnce    = 3  // of all, each over a connection
	slowRounds      = 2  // of groups that are slow, or not known to be quick
	roundsOfAccount = 2  // of one account, about different tables, one of them slow
	roundsOfTable   = 2  // about one table, beside slow ones
	roundGroups     = 64 // groups that are asked about a table in one round
	// roundQuestions is how many questions a round may have before no more
	// groups join it: none of them is answered before all are.
	roundQuestions = 2048
)

// round is questions that are put to Postgres at once: whether one filter holds
// for rows, or whether rows of one table may be seen, by several subjects if all
// of their groups are quick.
type round struct {
	parts   []part
	slow    bool
	isOff   bool              // its group is switched off: nothing is asked, everything is hidden
	took    time.Duration     // by Postgres
	charged map[*Session]bool // sessions that the round was charged to, and whether it was too much for them
}

// part is the questions of one group in a round.
type part struct {
	queue     *accountQueue
	group     *group
	questions []*question
}

// size is how many questions the round has.
func (r *round) size() (n int) {
	for _, p := range r.parts {
		n += len(p.questions)
	}
	return n
}

// relation is the table that all questions of the round are about.
func (r *round) relation() *wal.Relation { return r.parts[0].group.relation }

// pickRound takes out the questions that are asked next; nil if none can be
// asked now. a.mu must be held.
func (a *asker) pickRound() *round {
	for i, q := range a.queues {
		picked := a.pick(q)
		if picked == nil {
			continue
		}
		r := &round{slow: !picked.budget.isQuick(), isOff: time.Now().Before(picked.budget.off)}
		a.open(r, q, picked)
		a.queues = append(a.queues[:i], a.queues[i+1:]...)
		q.queued = false
		a.enqueue(q)
		if !r.slow && picked.isAboutRows() {
			a.join(r)
		}
		a.begin(r)
		return r
	}
	return nil
}

// looksFor is among how many groups of an account the one that cost least is
// looked for.
const looksFor = 32

// pick returns, of the first groups of an account, the one that has cost least
// and can be asked now; nil for none. a.mu must be held.
func (a *asker) pick(q *accountQueue) (picked *group) {
	for _, g := range q.groups[:min(looksFor, len(q.groups))] {
		if !a.hasRound(q, g) {
			continue
		}
		if picked == nil || g.budget.spent < picked.budget.spent {
			picked = g
		}
	}
	return picked
}

// hasRound reports whether one more round may be asked, about a group of an account. a.mu
// must be held.
func (a *asker) hasRound(q *accountQueue, g *group) bool {
	switch {
	case len(q.about) >= roundsOfAccount || slices.Contains(q.about, g.relation):
		return false
	case g.budget.isQuick():
		return a.tables[g.relation] < roundsOfTable
	}
	return a.slow < slowRounds && q.slow == 0
}

// join adds to a round what other accounts ask about the same table. a.mu must
// be held.
func (a *asker) join(r *round) {
	for _, q := range a.queues {
		if len(r.parts) >= roundGroups || r.size() >= roundQuestions {
			return
		}
		for _, g := range q.groups[:min(looksFor, len(q.groups))] {
			if g.relation == r.relation() && g.isAboutRows() && g.budget.isQuick() && a.hasRound(q, g) {
				a.open(r, q, g)
				break
			}
		}
	}
}

// open takes a group's questions into a round. a.mu must be held.
func (a *asker) open(r *round, q *accountQueue, g *group) {
	r.parts = append(r.parts, part{q, g, g.take()})
	g.asking = true
	i := slices.Index(q.groups, g)
	q.groups = slices.Delete(q.groups, i, i+1)
	q.about = append(q.about, g.relation)
}

// begin counts a round that is about to be asked. a.mu must be held.
func (a *asker) begin(r *round) {
	if r.slow {
		a.slow++
		r.parts[0].queue.slow++
		return
	}
	a.tables[r.relation()]++
}

// end takes back what begin and open have counted. a.mu must be held.
func (a *asker) end(r *round) {
	if r.slow {
		a.slow--
		r.parts[0].queue.slow--
	} else if a.tables[r.relation()]--; a.tables[r.relation()] == 0 {
		delete(a.tables, r.relation())
	}
	for _, p := range r.parts {
		p.group.asking = false
		done := slices.Index(p.queue.about, p.group.relation)
		p.queue.about = slices.Delete(p.queue.about, done, done+1)
		if len(p.group.questions) > 0 {
			p.queue.groups = append(p.queue.groups, p.group)
		}
		a.enqueue(p.queue)
	}
	a.ready.Broadcast()
}

// enqueue has an account wait for its turn if it has questions. a.mu must be
// held.
func (a *asker) enqueue(q *accountQueue) {
	if len(q.groups) == 0 {
		if len(q.about) == 0 {
			delete(a.byAccount, q.account)
		}
		return
	}
	if !q.queued {
		q.queued = true
		a.queues = append(a.queues, q)
	}
}

// add puts a question into its group. a.mu must be held.
func (a *asker) add(q *question) {
	g := q.group
	if len(g.questions) == 0 && !g.asking {
		account := g.subject.Account()
		of := a.byAccount[account]
		if of == nil {
			of = &accountQueue{account: account}
			a.byAccount[account] = of
		}
		of.groups = append(of.groups, g)
		a.enqueue(of)
	}
	g.questions = append(g.questions, q)
	g.byChange[q.change] = q
	a.ready.Signal()
}

// groupsKept is how long a group is remembered with its budget after its last
// question: a group that is switched off stays so although its client joins again.
const groupsKept = 2 * time.Minute

// group returns the group of a key, a new one if there is none. a.mu must be
// held.
func (a *asker) group(key groupKey, b *binding) *group {
	g := a.groups[key]
	if g == nil {
		a.forget()
		g = &group{groupKey: key, byChange: map[*wal.Change]*question{}}
		if !g.isAboutRows() {
			g.conditions = b.Filter
		}
		a.groups[key] = g
	}
	return g
}

// forget drops, now and then, groups that were not used for a while. a.mu must
// be held.
func (a *asker) forget() {
	now := time.Now()
	if now.Sub(a.forgotAt) < groupsKept/4 {
		return
	}
	a.forgotAt = now
	for key, g := range a.groups {
		if !g.asking && len(g.questions) == 0 && now.Sub(g.budget.used) >= groupsKept && now.After(g.budget.off) {
			delete(a.groups, key)
		}
	}
}
