package filters

import (
	"context"

	"walcast/replication/wal"
)

// Decision is what a filter comes to for a row.
type Decision struct {
	Truth Truth      // Undecided only with an Err
	Err   *BindError // Postgres refused to decide
}

// Decide says for which rows of a relation a filter holds, where Index.Match has
// left it Undecided: what Go is not certain of is asked of Postgres as the
// subject, each question once and all of them at once, and nothing if another
// condition settles the matter. An error means that Postgres could not be asked.
// A filter that does not work on the relation holds for no row.
//
// It asks about values of the rows, so the subject must be known to see them.
func Decide(ctx context.Context, rel *wal.Relation, f Filter, rows []wal.Row, l Locale, a Asker, as Subject) ([]Decision, error) {
	decisions := make([]Decision, len(rows))
	e, err := compile(rel, f, l.certainty())
	if err != nil {
		return decisions, nil //nolint:nilerr // a filter that does not compile wants nothing
	}
	ev := evaluation{answers: answers{}}
	for {
		var wanted []Question
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

// decide evaluates an expression for the row of an evaluation. What would have to
// be asked of Postgres is noted only if the answer would change the result.
func decide(e Expr, ev *evaluation, wanted *[]Question) Decision {
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
