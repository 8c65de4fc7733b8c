package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"walcast/filters"
	"walcast/replication/wal"
)

func TestOnlyALostConnectionIsNoAnswer(t *testing.T) {
	for _, code := range []string{"XX000", "22021", "57014", "53200", "58030", "40001", "08001"} {
		if _, ok := postgresError(fmt.Errorf("ask: %w", &pgconn.PgError{Code: code, SeverityUnlocalized: "ERROR"})); !ok {
			t.Errorf("SQLSTATE %s counts as a lost connection", code)
		}
	}
	for _, err := range []error{&pgconn.PgError{Code: "57P01", SeverityUnlocalized: "FATAL"}, errors.New("broken pipe"), nil} {
		if _, ok := postgresError(err); ok {
			t.Errorf("%v counts as an answer", err)
		}
	}
}

func TestAnInternalErrorIsTheAnswerToItsOwnCall(t *testing.T) {
	l := newLab(t, docsSQL, "create policy odd on docs using (xpath_exists(body, '<a/>'::xml) or id % 2 = 1)", "update docs set body = '/a[' where id = 2")
	rel, s := l.relation("docs"), l.subject("anon", "{}")
	seen, errs, err := l.policy.Visible(t.Context(), s, inserts(rel, l.rows(rel, "where id < 4 order by id")))
	if err != nil || len(errs) == 0 || seen[1] {
		t.Errorf("Visible = %v, %v, %v; want an error for the second", seen, errs, err)
	}
	o := NewOperators(l.Pool, nil)
	calls := []filters.Call{{Schema: "pg_catalog", Type: "int4", Literal: "1"}, {Schema: "pg_catalog", Type: "text", Literal: "a\xffb"}}
	answers, err := o.Ask(t.Context(), s, calls)
	if err != nil || answers[0].Text != "1" || answers[1].Err == nil {
		t.Errorf("Ask = %+v, %v; want the second refused", answers, err)
	}
}

// Whoever reads the log has to learn what to do about a row that Postgres does not take back.
func TestWhatHasNoCharacterInTheEncodingIsLoggedWithItsCure(t *testing.T) {
	l := newLab(t, docsSQL)
	log := l.logs()
	inWords := func(where string) string {
		err := newAskError("public.docs", &pgconn.PgError{Code: "22P05", Message: "no equivalent in encoding", Where: where})
		l.policy.asker.pg.noteRaised(err, 1)
		return err.Error()
	}
	if got := inWords("unnamed portal parameter $3"); got != untranslatable || !strings.Contains(log.String(), `cure="`+untranslatableAdvice) {
		t.Errorf("told %q, logged %q", got, log.String())
	}
	if got := inWords("PL/pgSQL function f() line 1 at RAISE"); got != textInLog {
		t.Errorf("told %q of what a user's function raised", got)
	}
}

// The texts of errors may have what nobody may see.
func TestTextsOfErrorsGoToTheLogOnly(t *testing.T) {
	l := newLab(t, docsSQL, messagesSQL, today, `
		create function tell() returns bool language plpgsql security definer as $$ begin raise 'the PIN is %', (select 4711) using errcode = '42501'; end $$;
		create policy telling on docs using (tell()); create domain told as int check (tell());
		create policy telling on realtime.messages using (tell())`)
	log := l.logs()
	rel, s := l.relation("docs"), l.subject("anon", "{}")
	_, errs, err := l.policy.Visible(t.Context(), s, inserts(rel, l.rows(rel, "where id = 1")))
	if err != nil || errs[0] == nil || strings.Contains(errs[0].Error(), "4711") {
		t.Errorf("told of a policy: %v, %v", errs, err)
	}
	if !strings.Contains(log.String(), "the PIN is 4711") {
		t.Errorf("logged %q", log.String())
	}
	answers, err := NewOperators(l.Pool, nil).Ask(t.Context(), s, []filters.Call{{Schema: "public", Type: "told", Literal: "1"}})
	if err != nil || answers[0].Err == nil || answers[0].Err.SQLState != "42501" || strings.Contains(answers[0].Err.Message, "4711") {
		t.Errorf("told of a literal: %+v, %v", answers, err)
	}
	var raised *AskError
	if _, err := l.policy.MayRead(t.Context(), s, Topic{Name: "a"}, false); !errors.As(err, &raised) || strings.Contains(err.Error(), "4711") {
		t.Errorf("told of a topic: %v", err)
	}
}

func TestARaisingRowDoesNotHideOthersThatAreLookedUp(t *testing.T) {
	l := newLab(t, docsSQL, "create policy divides on docs using (10 / d > 0)")
	rel, s := l.relation("docs"), l.subject("anon", "{}")
	changes := inserts(rel, l.rows(rel, "order by id")) // the second and the fourth raise
	l.ask(rel, s)
	l.policy.tables.of(rel, "anon").current().statements.byRow = ""
	for _, rows := range [][]*wal.Change{changes[:1], changes} {
		seen, errs, err := l.policy.Visible(t.Context(), s, rows)
		want := []bool{true, false, true, false}[:len(rows)]
		if err != nil || !slices.Equal(seen, want) || len(errs) != len(rows)/2 {
			t.Errorf("Visible = %v, %v, %v; want %v", seen, errs, err, want)
		}
	}
}

func TestTheLogIsToldOfManyTablesWithinBounds(t *testing.T) {
	l := newLab(t)
	for i := range 3 * raisedMost {
		l.policy.noteRaised(&AskError{Table: fmt.Sprint("public.t", i), SQLState: "22012", text: strings.Repeat("ü", raisedText)}, 1)
	}
	if n := len(l.policy.raised.logged); n > raisedMost {
		t.Errorf("%d tables are remembered", n)
	}
}
