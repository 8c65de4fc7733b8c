package filters

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

func TestAnswersAreBounded(t *testing.T) {
	as := newAnswers()
	question := func(i int) Question { return Question{Type: "point", Op: Eq, Value: fmt.Sprint(i)} }
	for i := range 5 * maxAnswers {
		as.keep(question(i), Answer{Truth: True})
	}
	if n := len(as.young) + len(as.old); n > 2*maxAnswers {
		t.Errorf("%d answers are kept; want at most %d", n, 2*maxAnswers)
	}
	if _, ok := as.get(question(5*maxAnswers - 1)); !ok {
		t.Error("the last answer is forgotten")
	}
	if _, ok := as.get(question(0)); ok {
		t.Error("the first answer is still there")
	}
}

func TestAnswersOutliveTheirChangesUnlessTheyMayChange(t *testing.T) {
	as := newAnswers()
	kept := Question{Type: "point", Value: "1"}
	long := Question{Type: "point", Value: strings.Repeat("x", maxAnswerBytes+1)}
	present := Question{Type: "timestamptz", Value: "x", Literal: "Yesterday 10:00"}
	known := Question{Type: "citext", Value: "x", Literal: "unknown"}
	if err := as.learn(context.Background(), &yes{}, nil, []Question{kept, long, present, known, kept}); err != nil {
		t.Fatal(err)
	}
	for _, q := range []Question{kept, long, present, known} {
		if a, ok := as.get(q); !ok || a.Truth != True {
			t.Errorf("%+v is not there for its changes", q)
		}
	}
	as.turn()
	for q, want := range map[Question]bool{kept: true, long: false, present: false, known: true} {
		if _, ok := as.get(q); ok != want {
			t.Errorf("%.40s %s: there for others = %t; want %t", q.Value, q.Literal, ok, want)
		}
	}
}

func TestAnswersForgetQuestionsThatFailed(t *testing.T) {
	as := newAnswers()
	q := Question{Type: "point", Value: "1"}
	if err := as.learn(context.Background(), away{}, nil, []Question{q}); err == nil {
		t.Error("learn succeeds though Postgres is away")
	}
	if _, ok := as.get(q); ok {
		t.Error("there is an answer to a question that was not answered")
	}
}
