package filters

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"unsafe"
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

func TestAnswersAreBoundedInBytes(t *testing.T) {
	as := newAnswers()
	for i := range 5 * maxAnswers {
		q := Question{Type: "point", Op: Eq, Value: fmt.Sprint(i, strings.Repeat("v", 500)), Literal: strings.Repeat("l", 500)}
		as.keep(q, Answer{Err: NewBindError("22000", strings.Repeat("m", 2000))})
		size := 0
		for _, half := range []map[Question]Answer{as.young, as.old} {
			for q, a := range half {
				size += len(q.Value) + len(q.Literal) + len(a.Err.Message)
			}
		}
		if ix := (&Index[int]{answers: as}); size > 2*maxAnswersBytes || size > ix.AnswerBytes() {
			t.Fatalf("%d answers take %d bytes, said are %d; want at most %d", len(as.young)+len(as.old), size, ix.AnswerBytes(), 2*maxAnswersBytes)
		}
		if i%1000 != 0 {
			continue
		}
		if _, ok := as.get(q); !ok {
			t.Error("the last answer is forgotten")
		}
	}
	as.forget()
	if as.youngSize+as.oldSize != 0 {
		t.Error("what is forgotten still counts")
	}
}

// TestAnswersDoNotHoldTheRow that a value is a part of: it may be large.
func TestAnswersDoNotHoldTheRow(t *testing.T) {
	as := newAnswers()
	row := strings.Repeat("x", 1000)
	if err := as.learn(context.Background(), &yes{}, nil, []Question{{Type: "point", Value: row[10:20], Literal: row[20:30]}}); err != nil {
		t.Fatal(err)
	}
	as.turn()
	for q := range as.young {
		for _, part := range []string{q.Value, q.Literal} {
			if start := uintptr(unsafe.Pointer(unsafe.StringData(row))); uintptr(unsafe.Pointer(unsafe.StringData(part)))-start < 1000 {
				t.Error("a remembered question is a part of the row")
			}
		}
	}
	if len(as.young) != 1 {
		t.Errorf("%d answers are remembered; want 1", len(as.young))
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
