package filters

import (
	"context"
	"fmt"
)

// answers are what Postgres said about some rows.
type answers map[Question]Answer

// learn asks questions, each once.
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
