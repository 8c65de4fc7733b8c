package filters

import (
	"context"
	"fmt"
)

// answers is what Postgres has answered about the rows of one Decide.
type answers map[Question]Answer

// learn asks those of the questions that have no answer yet, each once.
func (as answers) learn(ctx context.Context, a Asker, subject Subject, questions []Question) error {
	distinct := make([]Question, 0, len(questions))
	for _, q := range questions {
		if _, seen := as[q]; !seen {
			as[q] = Answer{Truth: Undecided}
			distinct = append(distinct, q)
		}
	}
	got, err := a.Ask(ctx, subject, distinct)
	if err == nil && len(got) != len(distinct) {
		err = fmt.Errorf("got %d answers", len(got))
	}
	if err != nil {
		return fmt.Errorf("ask Postgres %d questions: %w", len(distinct), err)
	}
	for i, q := range distinct {
		as[q] = got[i]
	}
	return nil
}
