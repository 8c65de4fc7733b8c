package filters

import (
	"context"

	"walcast/replication/wal"
)

// decide evaluates an expression for a row and asks Postgres what is wanted for
// that, as Index.Prepare does for a batch of changes.
func decide(ctx context.Context, e Expr, row wal.Row, a Asker) (Truth, error) {
	known := newAnswers()
	for {
		var wanted []Question
		ev := evaluation{row: row, answers: known, wanted: &wanted}
		t := evaluate(e, &ev)
		switch {
		case t != Undecided:
			return t, nil
		case len(wanted) > 0:
			if err := known.learn(ctx, a, nil, wanted); err != nil {
				return Undecided, err
			}
		case ev.failure != nil:
			return Undecided, ev.failure
		default:
			return Undecided, nil
		}
	}
}
