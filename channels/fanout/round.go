package fanout

import (
	"slices"
	"time"

	"walcast/policy"
	"walcast/replication/wal"
)

// subjectQueue is the groups of questions of one subject. Subjects have their
// turns one after the other, whatever each of them asks.
type subjectQueue struct {
	subject *policy.Subject
	groups  []*group // groups with questions that are not being asked, in the order of their turns
	asking  int      // rounds of the subject that are being asked
	queued  bool     // it waits in asker.queues for its turn
}

// How many rounds are asked at once.
const (
	roundsAtOnce    = 3  // of all, each over a connection
	slowRounds      = 2  // of groups that are slow, or not known to be quick
	roundsOfSubject = 2  // of one subject
	roundsOfTable   = 2  // about one table
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
	queue     *subjectQueue
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
	for i, sq := range a.queues {
		picked := a.pick(sq)
		if picked == nil {
			continue
		}
		r := &round{slow: !picked.budget.isQuick(), isOff: time.Now().Before(picked.budget.off)}
		a.open(r, sq, picked)
		a.queues = append(a.queues[:i], a.queues[i+1:]...)
		sq.queued = false
		a.enqueue(sq)
		if !r.slow && picked.isAboutRows() {
			a.join(r)
		}
		a.begin(r)
		return r
	}
	return nil
}

// looksFor is among how many groups of a subject the one that cost least is
// looked for.
const looksFor = 32

// pick returns, of the first groups of a subject, the one that has cost least
// and can be asked now; nil for none. a.mu must be held.
func (a *asker) pick(sq *subjectQueue) (picked *group) {
	if sq.asking >= roundsOfSubject {
		return nil
	}
	for _, g := range sq.groups[:min(looksFor, len(sq.groups))] {
		if a.tables[g.relation] >= roundsOfTable || a.slow >= slowRounds && !g.budget.isQuick() {
			continue
		}
		if picked == nil || g.budget.spent < picked.budget.spent {
			picked = g
		}
	}
	return picked
}

// join adds to a round what other subjects ask about the same table. a.mu must
// be held.
func (a *asker) join(r *round) {
	for _, sq := range a.queues {
		if len(r.parts) >= roundGroups || r.size() >= roundQuestions {
			return
		}
		for _, g := range sq.groups[:min(looksFor, len(sq.groups))] {
			if g.relation == r.relation() && g.isAboutRows() && g.budget.isQuick() && sq.asking < roundsOfSubject {
				a.open(r, sq, g)
				break
			}
		}
	}
}

// open takes a group's questions into a round. a.mu must be held.
func (a *asker) open(r *round, sq *subjectQueue, g *group) {
	r.parts = append(r.parts, part{sq, g, g.take()})
	g.asking = true
	i := slices.Index(sq.groups, g)
	sq.groups = slices.Delete(sq.groups, i, i+1)
	sq.asking++
}

// begin counts a round that is about to be asked. a.mu must be held.
func (a *asker) begin(r *round) {
	a.tables[r.relation()]++
	if r.slow {
		a.slow++
	}
}

// end takes back what begin and open have counted. a.mu must be held.
func (a *asker) end(r *round) {
	if r.slow {
		a.slow--
	}
	if a.tables[r.relation()]--; a.tables[r.relation()] == 0 {
		delete(a.tables, r.relation())
	}
	for _, p := range r.parts {
		p.group.asking = false
		p.queue.asking--
		if len(p.group.questions) > 0 {
			p.queue.groups = append(p.queue.groups, p.group)
		}
		a.enqueue(p.queue)
	}
	a.ready.Broadcast()
}

// enqueue has a subject wait for its turn if it has questions. a.mu must be
// held.
func (a *asker) enqueue(sq *subjectQueue) {
	if len(sq.groups) == 0 {
		if sq.asking == 0 {
			delete(a.bySubject, sq.subject)
		}
		return
	}
	if !sq.queued {
		sq.queued = true
		a.queues = append(a.queues, sq)
	}
}

// add puts a question into its group. a.mu must be held.
func (a *asker) add(q *question) {
	g := q.group
	if len(g.questions) == 0 && !g.asking {
		sq := a.bySubject[g.subject]
		if sq == nil {
			sq = &subjectQueue{subject: g.subject}
			a.bySubject[g.subject] = sq
		}
		sq.groups = append(sq.groups, g)
		a.enqueue(sq)
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
