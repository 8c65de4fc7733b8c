package filters

import (
	"context"
	"fmt"
)

// Bounds of what is remembered of Postgres' answers beyond the changes at hand.
const (
	maxAnswers     = 4096 // in each of the two halves of answers
	maxAnswerBytes = 1024 // a question longer than this is asked again
)

// answers remembers what Postgres said: everything for the changes at hand (now),
// and for later ones the answers that were used last, in two halves. When the
// young half is full it becomes the old one, and what was in the old one is
// forgotten.
type answers struct {
	now        map[Question]Answer
	young, old map[Question]Answer
}

func newAnswers() *answers {
	return &answers{now: map[Question]Answer{}, young: map[Question]Answer{}}
}

func (as *answers) get(q Question) (Answer, bool) {
	if as == nil {
		return Answer{}, false
	}
	if a, ok := as.now[q]; ok {
		return a, true
	}
	a, ok := as.young[q]
	if !ok {
		if a, ok = as.old[q]; ok {
			as.keep(q, a)
		}
	}
	return a, ok
}

// turn begins to collect answers about other changes.
func (as *answers) turn() {
	for q, a := range as.now {
		if !q.volatile() && len(q.Value)+len(q.Literal) <= maxAnswerBytes {
			as.keep(q, a)
		}
	}
	clear(as.now)
}

// forget drops all answers but those about the changes at hand.
func (as *answers) forget() { as.young, as.old = map[Question]Answer{}, nil }

func (as *answers) keep(q Question, a Answer) {
	if len(as.young) >= maxAnswers {
		as.old, as.young = as.young, map[Question]Answer{}
	}
	as.young[q] = a
}

// learn asks questions, each once.
func (as *answers) learn(ctx context.Context, a Asker, subject Subject, questions []Question) error {
	distinct := make([]Question, 0, len(questions))
	for _, q := range questions {
		if _, seen := as.now[q]; !seen {
			as.now[q] = Answer{Truth: Undecided}
			distinct = append(distinct, q)
		}
	}
	got, err := a.Ask(ctx, subject, distinct)
	if err == nil && len(got) != len(distinct) {
		err = fmt.Errorf("got %d answers", len(got))
	}
	for i, q := range distinct {
		if err != nil {
			delete(as.now, q)
		} else {
			as.now[q] = got[i]
		}
	}
	if err != nil {
		return fmt.Errorf("ask Postgres %d questions: %w", len(distinct), err)
	}
	return nil
}
