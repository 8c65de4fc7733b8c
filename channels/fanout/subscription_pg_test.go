package fanout

import (
	"fmt"
	"testing"

	"walcast/internal/logtest"

	"github.com/google/go-cmp/cmp"
)

func TestAnotherSubjectTakesOverAtTheVeryPlace(t *testing.T) {
	f := newFixture(t, messagesTable)
	rel := f.Relation("messages")
	b := newInbox()
	s := f.subscribe(b, ask{bindings: everyRow}, Start{})
	const n = 400
	for i := range n {
		f.Commit(logtest.Insert(rel, fmt.Sprint(i), "2", "x"))
		if i%20 == 0 {
			s.ActAs(f.subject("authenticated", fmt.Sprintf(`{"sub":"%d"}`, i)))
		}
	}
	if diff := cmp.Diff(rows(0, n), b.wait(t, n)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if got := len(s.Bindings()); got != 1 {
		t.Errorf("%d bindings; want 1", got)
	}
}

func TestRowsAreJudgedForTheNewSubject(t *testing.T) {
	f := newFixture(t, grantedTables)
	rel := f.Relation("own")
	b := newInbox()
	s := f.subscribe(b, ask{role: "authenticated", claims: annsClaims, bindings: `{"event":"*","schema":"public","table":"own"}`}, Start{})
	f.Commit(logtest.Insert(rel, "1", ann, "x"), logtest.Insert(rel, "2", bob, "x"))
	f.waitSent(s)
	s.ActAs(f.subject("authenticated", `{"sub":"`+bob+`"}`))
	f.Commit(logtest.Insert(rel, "3", ann, "x"), logtest.Insert(rel, "4", bob, "x"))
	if diff := cmp.Diff([]string{"row 1", "row 4"}, b.wait(t, 2)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestDetachedBindingsRestUntilAnotherSubjectHasThem(t *testing.T) {
	f := newFixture(t, messagesTable)
	rel := f.Relation("messages")
	b := newInbox()
	s := f.subscribe(b, ask{bindings: everyRow}, Start{})
	f.Commit(logtest.Insert(rel, "1", "1", "x"))
	b.wait(t, 1)
	s.Detach()
	if got := s.Bindings(); got != nil {
		t.Errorf("bindings = %v; want none", got)
	}
	f.Commit(logtest.Insert(rel, "2", "1", "x"), said("room", 3))
	b.wait(t, 2)
	s.ActAs(f.subject("authenticated", "{}"))
	f.Commit(logtest.Insert(rel, "4", "1", "x"), said("room", 5))
	if diff := cmp.Diff([]string{"row 1", "message 3", "row 4", "message 5"}, b.wait(t, 4)); diff != "" {
		t.Errorf("delivered (-want +got):\n%s", diff)
	}
}

// TestIdleBindingsWaitForTheirTable: its first row shows that it is there.
func TestIdleBindingsWaitForTheirTable(t *testing.T) {
	f := newFixture(t, `create table here (id int primary key); create table later (id int primary key); grant select on here, later to anon`)
	here, later := f.Relation("here"), f.Relation("later")
	b := newInbox()
	published := make(chan string, 10)
	s := f.subscribe(b, ask{
		bindings:  `{"event":"*","schema":"public","table":"here"},{"event":"*","schema":"public","table":"later"}`,
		published: func(schema, table string) { published <- schema + "." + table },
	}, Start{})
	s.Idle(&s.Bindings()[1])
	f.Commit(logtest.Insert(here, "1"), said("room", 1))
	f.Commit(logtest.Insert(here, "2"), logtest.Insert(later, "3"), logtest.Insert(here, "4"), logtest.Insert(later, "5"))
	if diff := cmp.Diff([]string{"message 1", "row 3", "row 4", "row 5"}, b.wait(t, 4)); diff != "" {
		t.Errorf("delivered (-want +got):\n%s", diff)
	}
	f.waitSent(s)
	if got := <-published; got != "public.later" || len(published) > 0 {
		t.Errorf("published %s and %d more; want public.later once", got, len(published))
	}
	s.Idle(&s.Bindings()[1])
	s.Idle(nil)
	f.Commit(logtest.Insert(here, "6"))
	if got := b.wait(t, 5)[4]; got != "row 6" {
		t.Errorf("came %s; want row 6, as nothing is idle any more", got)
	}
}
