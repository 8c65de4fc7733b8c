package filters

import (
	"context"

	"walcast/replication/wal"
)

// Decision says whether a filter holds for a row.
type Decision struct {
	Truth Truth      // Undecided only if there is an Err
	Err   *BindError // why Postgres refused to decide
}

// Decide says for which rows of a relation a filter holds, after Index.Match has
// left the filter Undecided for them. It asks Postgres, as the subject, about the
// conditions that Go is not certain of: all calls at once, each once, and none
// about a row for which another condition is False. An error means that Postgres
// could not be asked. A filter that does not work on the relation holds for no row.
//
// The calls have values of the rows in them, so the subject must be known to
// see the rows.
func Decide(ctx context.Context, rel *wal.Relation, f Filter, rows []wal.Row, l Locale, a Asker, as Subject) ([]Decision, error) {
	decisions := make([]Decision, len(rows))
	e, err := compile(rel, f, l.certainty())
	if err != nil {
		return decisions, nil //nolint:nilerr // a filter that does not compile matches nothing
	}
	ev := evaluation{answers: answers{}}
	for {
		var wanted []Call
		for i, row := range rows {
			ev.reset(row)
			decisions[i] = decide(e, &ev, &wanted)
		}
		if len(wanted) == 0 {
			return decisions, nil
		}
		if err := ev.answers.learn(ctx, a, as, wanted); err != nil {
			return nil, err
		}
	}
}

// decide evaluates an expression for the row of an evaluation. It notes calls
// for Postgres only if their answers would change the result.
func decide(e Expr, ev *evaluation, wanted *[]Call) Decision {
	ev.wanted = nil
	t := demand(e, ev)
	if t == Undecided {
		ev.wanted = wanted
		t = evaluate(e, ev)
	}
	if t != Undecided {
		return Decision{Truth: t}
	}
	return Decision{t, ev.failure}
}
