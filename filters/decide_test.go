package filters

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"walcast/replication/wal"
)

// decideAlone evaluates an expression for a row and asks Postgres what is wanted
// for that.
func decideAlone(ctx context.Context, e Expr, row wal.Row, a Asker) (Truth, error) {
	known := answers{}
	for {
		var wanted []Call
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

// away is a Postgres that does not answer.
type away struct{}

func (away) Ask(context.Context, Subject, []Call) ([]Answer, error) {
	return nil, errors.New("away")
}

// someone is a subject.
type someone struct{}

func (someone) Actor() (role, claims string) { return "anon", "{}" }

// picky answers everything with true but the value (0,0), which it refuses, and
// counts.
type picky struct {
	calls int
	as    Subject
}

func (p *picky) Ask(_ context.Context, as Subject, calls []Call) ([]Answer, error) {
	p.calls += len(calls)
	p.as = as
	answers := make([]Answer, len(calls))
	for i, call := range calls {
		if answers[i].Truth = True; call.Value == "(0,0)" {
			answers[i] = Answer{Err: NewBindError("22000", "refused")}
		}
	}
	return answers, nil
}

func TestDecideAsksOnlyWhatTheDecisionDependsOn(t *testing.T) {
	one, two, raising := rowOf("1", "-", "-", "-", "-", "-", "-", "-", "-", "(1,2)"), rowOf("2", "-", "-", "-", "-", "-", "-", "-", "-", "(1,2)"),
		rowOf("2", "-", "-", "-", "-", "-", "-", "-", "-", "(0,0)")
	for text, want := range map[string]struct {
		decisions []Truth
		calls     int
	}{
		"shape=eq.(1,2)":                {[]Truth{True, True, Undecided, True}, 2}, // each call once
		"id=eq.2,shape=eq.(1,2)":        {[]Truth{False, True, Undecided, False}, 2},
		"or=(id.eq.1,shape.eq.(1,2))":   {[]Truth{True, True, Undecided, True}, 2},
		"id=eq.1":                       {[]Truth{True, False, False, True}, 0},
		"none=eq.1":                     {[]Truth{False, False, False, False}, 0},
		"not.or=(id.eq.1,id.eq.2)":      {[]Truth{False, False, False, False}, 0},
		"id=eq.3,shape=not.eq.(1,2)":    {[]Truth{False, False, False, False}, 0},
		"shape=not.eq.(1,2),title=eq.a": {[]Truth{Unknown, Unknown, Unknown, Unknown}, 0},
	} {
		p := &picky{}
		got, err := Decide(t.Context(), rooms(), mustParse(t, text), []wal.Row{one, two, raising, one}, utc(), p, someone{})
		if err != nil {
			t.Fatal(err)
		}
		var truths []Truth
		for i, d := range got {
			truths = append(truths, d.Truth)
			if (d.Err != nil) != (d.Truth == Undecided) {
				t.Errorf("%s of row %d = %+v; want an error where nothing is decided, and only there", text, i, d)
			}
		}
		if diff := cmp.Diff(want.decisions, truths); diff != "" {
			t.Errorf("Decide(%s) differs (-want +got):\n%s", text, diff)
		}
		if p.calls != want.calls || p.calls > 0 && p.as != (someone{}) {
			t.Errorf("%s: asked about %d calls as %v; want %d as the subject", text, p.calls, p.as, want.calls)
		}
	}
	if _, err := Decide(t.Context(), rooms(), mustParse(t, "shape=eq.(1,2)"), []wal.Row{one}, utc(), away{}, someone{}); err == nil {
		t.Error("Decide succeeds though Postgres is away")
	}
}
