package moving

import (
	"maps"
	"slices"
	"time"

	"walcast/channels/resume"
)

// questions are what other nodes are asked. They are not safe for concurrent use.
type questions struct {
	waiting []*finding // not asked yet
	asked   map[uint64]*question
	number  uint64
}

// question is one message: a node does not wait for the answer to one before it asks the
// next.
type question struct {
	findings map[resume.ID]*finding
	awaits   map[string]struct{}
	unsure   bool // one of those that have answered is
	began    time.Time
}

// finding is what has been found of one client.
type finding struct {
	id      resume.ID
	found   resume.Found            // Certain says that all have answered, and are sure
	told    map[string]*resume.Told // by node
	isOver  bool
	isFound chan struct{} // closed with isOver
}

func (f *finding) end(certain bool) {
	if !f.isOver {
		f.isOver, f.found.Certain = true, certain
		close(f.isFound)
	}
}

// add has a client be asked for.
func (q *questions) add(id resume.ID) *finding {
	if len(q.waiting) > 0 && q.waiting[0].isOver { // as long as there is no bus nobody is asked
		q.waiting = slices.DeleteFunc(q.waiting, func(f *finding) bool { return f.isOver })
	}
	f := &finding{id: id, told: map[string]*resume.Told{}, isFound: make(chan struct{})}
	q.waiting = append(q.waiting, f)
	return f
}

// next is the next question to the nodes that are here; nil if there is none. With no node
// all is answered.
func (q *questions) next(runs map[string]*source, now time.Time) *message {
	all := slices.DeleteFunc(q.waiting, func(f *finding) bool { return f.isOver })
	if q.waiting = nil; len(all) == 0 {
		return nil
	}
	if len(runs) == 0 {
		for _, f := range all {
			f.end(true)
		}
		return nil
	}
	if len(all) > clientsInPart {
		all, q.waiting = all[:clientsInPart], all[clientsInPart:]
	}
	q.number++
	asked := &question{findings: map[resume.ID]*finding{}, awaits: map[string]struct{}{}, began: now}
	for _, f := range all {
		if other := asked.findings[f.id]; other != nil { // two joins at once: the later is told to resync
			f.found.Told = &resume.Told{ID: f.id, Resync: true}
			f.end(false)
			continue
		}
		asked.findings[f.id] = f
	}
	for run := range runs {
		asked.awaits[run] = struct{}{}
	}
	q.asked[q.number] = asked
	return &message{kind: kindQuestion, number: q.number, ids: slices.Collect(maps.Keys(asked.findings))}
}

// answer takes in an answer.
func (q *questions) answer(m *message) {
	asked := q.asked[m.number]
	if asked == nil {
		return
	}
	for _, t := range m.told {
		if f := asked.findings[t.ID]; f != nil {
			f.told[m.run] = t
			if t.Better(f.found.Told) {
				f.found.Told, f.found.Quiet, f.found.Missed = t, false, nil
			}
		}
	}
	for _, id := range m.ids {
		// Another node may know of fewer broadcasts, or of some that were not for the client.
		if f := asked.findings[id]; f != nil && f.found.Told != nil && f.found.Told == f.told[m.run] {
			f.found.Quiet, f.found.Missed = true, m.missed
		}
	}
	if !m.more {
		q.answered(m.number, m.run, m.doubt.all == 0)
	}
}

// answered notes that a node has answered a question, or will not.
func (q *questions) answered(number uint64, run string, isSure bool) {
	asked := q.asked[number]
	if _, awaited := asked.awaits[run]; !awaited {
		return
	}
	asked.unsure = asked.unsure || !isSure
	if delete(asked.awaits, run); len(asked.awaits) == 0 {
		q.end(number, !asked.unsure)
	}
}

// end ends a question.
func (q *questions) end(number uint64, certain bool) {
	for _, f := range q.asked[number].findings {
		f.end(certain)
	}
	delete(q.asked, number)
}

// forget has nobody wait for nodes that are gone.
func (q *questions) forget(gone []string) {
	for number := range q.asked {
		for _, run := range gone {
			if q.asked[number] != nil {
				q.answered(number, run, false)
			}
		}
	}
}

// expire ends what was waited for too long.
func (q *questions) expire(now time.Time) {
	for number, asked := range q.asked {
		if now.Sub(asked.began) > 2*findLimit {
			q.end(number, false)
		}
	}
}
