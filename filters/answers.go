package filters

import (
	"context"
	"fmt"
)

// answers is what Postgres has answered about the rows of one Decide.
type answers map[Call]Answer

// learn asks about those calls that have no answer yet, each once.
func (as answers) learn(ctx context.Context, a Asker, subject Subject, calls []Call) error {
	distinct := make([]Call, 0, len(calls))
	for _, call := range calls {
		if _, seen := as[call]; !seen {
			as[call] = Answer{Truth: Undecided}
			distinct = append(distinct, call)
		}
	}
	got, err := a.Ask(ctx, subject, distinct)
	if err == nil && len(got) != len(distinct) {
		err = fmt.Errorf("got %d answers", len(got))
	}
	if err != nil {
		return fmt.Errorf("have Postgres evaluate %d calls: %w", len(distinct), err)
	}
	for i, call := range distinct {
		as[call] = got[i]
	}
	return nil
}
