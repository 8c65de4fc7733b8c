package filters

import (
	"context"
	"fmt"
	"strings"
)

// Bounds of what is remembered of Postgres' answers beyond the changes at hand.
const (
	maxAnswers      = 4096    // in each of the two halves of answers
	maxAnswersBytes = 1 << 20 // and their bytes
	maxAnswerBytes  = 1024    // a question longer than this is asked again
)

// answers remembers what Postgres said: everything for the changes at hand (now),
// and for later ones the answers that were used last, in two halves. When the
// young half is full it becomes the old one, and what was in the old one is
// forgotten.
type answers struct {
	now                map[Question]Answer
	young, old         map[Question]Answer
	youngSize, oldSize int // bytes
}

func newAnswers() *answers {
	return &answers{now: map[Question]Answer{}, young: map[Question]Answer{}}
}

// AnswerBytes is about how much memory the index takes to remember what Postgres
// has said of earlier changes.
func (ix *Index[T]) AnswerBytes() int { return ix.answers.youngSize + ix.answers.oldSize }

// bytesOf is about how much memory an answer takes.
func bytesOf(q Question, a Answer) int {
	n := 320 + len(q.Value) + len(q.Literal) + len(a.Text)
	if a.Err != nil {
		n += 96 + len(a.Err.Message)
	}
	return n
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
			q.Value, q.Literal = strings.Clone(q.Value), strings.Clone(q.Literal) // not the whole row, nor the whole filter
			as.keep(q, a)
		}
	}
	if len(as.now) > maxAnswers {
		as.now = map[Question]Answer{} // an emptied map stays as large as it was
	}
	clear(as.now)
}

// forget drops all answers but those about the changes at hand.
func (as *answers) forget() {
	as.young, as.old = map[Question]Answer{}, nil
	as.youngSize, as.oldSize = 0, 0
}

func (as *answers) keep(q Question, a Answer) {
	if _, known := as.young[q]; known {
		return
	}
	size := bytesOf(q, a)
	if size > maxAnswersBytes {
		return
	}
	if len(as.young) >= maxAnswers || as.youngSize+size > maxAnswersBytes {
		as.old, as.young = as.young, map[Question]Answer{}
		as.oldSize, as.youngSize = as.youngSize, 0
	}
	as.young[q] = a
	as.youngSize += size
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
