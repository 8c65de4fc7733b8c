package fanout

import (
	"slices"
	"time"

	"walcast/policy"
	"walcast/replication/wal"
)

// desk is the dockets of one subject. Subjects have their turns one after the
// other, whatever each of them asks.
type desk struct {
	subject *policy.Subject
	dockets []*docket // with questions that are not on their way, in the order of their turns
	asking  int       // rounds on their way
	queued  bool      // for its turn
}

// Rounds that may be on their way at once.
const (
	judges        = 3 // of all, each over a connection
	slowMost      = 2 // of dockets that are slow, or of whom nothing is known
	roundsOfDesk  = 2 // of one subject
	roundsOfTable = 2
	roundDockets  = 64 // that are asked about one table in one round
	// roundQuestions is from how many questions on no more dockets join a round,
	// as none of them is answered before all are.
	roundQuestions = 2048
)

// round is questions that are put to Postgres at once: about one filter, or about
// who may see rows of one table, for several subjects if all are quick.
type round struct {
	parts   []part
	slow    bool
	isOff   bool           // its docket is switched off: nothing is asked
	ended   time.Time      // when Postgres had answered
	charged map[*Turn]bool // sessions that have paid, and whether it was too much
}

// part is the questions of one docket.
type part struct {
	desk      *desk
	docket    *docket
	questions []*question
}

// size is how many questions it has.
func (r *round) size() (n int) {
	for _, p := range r.parts {
		n += len(p.questions)
	}
	return n
}

func (r *round) relation() *wal.Relation { return r.parts[0].docket.relation }

// turn picks whose turn it is; nil if nobody can be asked now. j.mu is held.
func (j *judge) turn() *round {
	for i, d := range j.desks {
		picked := j.pick(d)
		if picked == nil {
			continue
		}
		r := &round{slow: !picked.budget.isQuick(), isOff: time.Now().Before(picked.budget.off)}
		j.open(r, d, picked)
		j.desks = append(j.desks[:i], j.desks[i+1:]...)
		d.queued = false
		j.enqueue(d)
		if !r.slow && picked.isAboutRows() {
			j.join(r)
		}
		j.begin(r)
		return r
	}
	return nil
}

// looksFor is among how many dockets of a subject the cheapest is looked for.
const looksFor = 32

// pick is the docket of a subject that has cost least of the first that can be
// asked now. j.mu is held.
func (j *judge) pick(d *desk) (picked *docket) {
	if d.asking >= roundsOfDesk {
		return nil
	}
	for _, k := range d.dockets[:min(looksFor, len(d.dockets))] {
		if j.tables[k.relation] >= roundsOfTable || j.slow >= slowMost && !k.budget.isQuick() {
			continue
		}
		if picked == nil || k.budget.spent < picked.budget.spent {
			picked = k
		}
	}
	return picked
}

// join adds what other subjects ask about the same table. j.mu is held.
func (j *judge) join(r *round) {
	for _, d := range j.desks {
		if len(r.parts) >= roundDockets || r.size() >= roundQuestions {
			return
		}
		for _, k := range d.dockets[:min(looksFor, len(d.dockets))] {
			if k.relation == r.relation() && k.isAboutRows() && k.budget.isQuick() && d.asking < roundsOfDesk {
				j.open(r, d, k)
				break
			}
		}
	}
}

// open takes a docket's questions into a round. j.mu is held.
func (j *judge) open(r *round, d *desk, k *docket) {
	r.parts = append(r.parts, part{d, k, k.take()})
	k.asking = true
	i := slices.Index(d.dockets, k)
	d.dockets = slices.Delete(d.dockets, i, i+1)
	d.asking++
}

// begin counts a round that is on its way. j.mu is held.
func (j *judge) begin(r *round) {
	j.tables[r.relation()]++
	if r.slow {
		j.slow++
	}
}

// end takes back what begin and open have counted. j.mu is held.
func (j *judge) end(r *round) {
	if r.slow {
		j.slow--
	}
	if j.tables[r.relation()]--; j.tables[r.relation()] == 0 {
		delete(j.tables, r.relation())
	}
	for _, p := range r.parts {
		p.docket.asking = false
		p.desk.asking--
		if len(p.docket.questions) > 0 {
			p.desk.dockets = append(p.desk.dockets, p.docket)
		}
		j.enqueue(p.desk)
	}
	j.ready.Broadcast()
}

// enqueue has a subject wait for its turn if it asks anything. j.mu is held.
func (j *judge) enqueue(d *desk) {
	if len(d.dockets) == 0 {
		if d.asking == 0 {
			delete(j.bySubject, d.subject)
		}
		return
	}
	if !d.queued {
		d.queued = true
		j.desks = append(j.desks, d)
	}
}

// file puts a question into its docket. j.mu is held.
func (j *judge) file(q *question) {
	k := q.docket
	if len(k.questions) == 0 && !k.asking {
		d := j.bySubject[k.subject]
		if d == nil {
			d = &desk{subject: k.subject}
			j.bySubject[k.subject] = d
		}
		d.dockets = append(d.dockets, k)
		j.enqueue(d)
	}
	k.questions = append(k.questions, q)
	k.byChange[q.change] = q
	j.ready.Signal()
}

// docketsKept is how long a docket is remembered with its budget: off is off,
// whoever joins again.
const docketsKept = 2 * time.Minute

// docket returns the docket of a key, made if need be. j.mu is held.
func (j *judge) docket(key docketKey, b *binding) *docket {
	k := j.dockets[key]
	if k == nil {
		j.forget()
		k = &docket{docketKey: key, byChange: map[*wal.Change]*question{}}
		if !k.isAboutRows() {
			k.conditions = b.Filter
		}
		j.dockets[key] = k
	}
	return k
}

// forget drops dockets that were not used for a while, now and then.
func (j *judge) forget() {
	now := time.Now()
	if now.Sub(j.forgot) < docketsKept/4 {
		return
	}
	j.forgot = now
	for key, k := range j.dockets {
		if !k.asking && len(k.questions) == 0 && now.Sub(k.budget.used) >= docketsKept && now.After(k.budget.off) {
			delete(j.dockets, key)
		}
	}
}
