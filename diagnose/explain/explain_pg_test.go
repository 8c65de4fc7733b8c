package explain

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"walcast/internal/golden"
)

// ofMine asks about a row as somebody with a sub.
func ofMine(table, filter, action, row string) Question {
	return Question{Table: table, Filter: filter, Claims: json.RawMessage(claims), Action: action, Row: json.RawMessage(row)}
}

// TestAnswers holds the text of an answer for each way in which it may end.
func TestAnswers(t *testing.T) {
	l := newLab(t)
	for name, c := range map[string]struct {
		question Question
		gets     Gets
	}{
		"open":                        {ofMine("plain", "id=eq.5,price=gte.10", "", ""), GetsRows},
		"open-row":                    {ofMine("plain", "", "", `{"id":5,"note":"a","price":12.50,"tags":null}`), GetsRow},
		"filter-says-no":              {ofMine("plain", "id=eq.5,price=gte.10,or=(note.eq.a,note.is.null)", "UPDATE", `{"id":5,"price":"7"}`), GetsNothing},
		"event-says-no":               {Question{Table: "plain", Event: "UPDATE", Role: "anon", Row: json.RawMessage(`{"id":5}`)}, GetsNothing},
		"select":                      {Question{Table: "plain", Select: []string{"note"}, Role: "anon", Row: json.RawMessage(`{"id":5}`)}, GetsRow},
		"filter-cannot-be-read":       {ofMine("plain", "price", "", ""), GetsNothing},
		"filter-has-no-such-column":   {ofMine("plain", "none=eq.1", "", `{"id":5}`), GetsNothing},
		"filter-has-no-such-value":    {ofMine("plain", "id=eq.x", "", ""), GetsNothing},
		"filter-has-no-such-operator": {ofMine("orders", "shape=eq.(1,2)", "", `{"id":1,"org":"a","shape":"(1,2)"}`), GetsNothing},
		"filter-is-asked":             {ofMine("orders", "note=match.(?=o)", "", `{"id":1,"org":"a","note":"one"}`), GetsRow},
		"filter-is-not-asked":         {ofMine("orders", "note=match.(?=o)", "", `{"id":1,"org":"b","note":"one"}`), GetsNothing},
		"compiled":                    {ofMine("notes", "note=neq.x", "", ""), GetsRows},
		"compiled-row":                {ofMine("notes", "", "UPDATE", `{"id":1,"owner":"`+mine+`","note":"a","hidden":false}`), GetsRow},
		"no-permissive-lets":          {ofMine("notes", "", "", `{"id":1,"owner":"`+theirs+`","note":"a","hidden":false}`), GetsNothing},
		"restrictive-hides":           {ofMine("notes", "", "", `{"id":1,"owner":"`+mine+`","hidden":true}`), GetsNothing},
		"asked":                       {ofMine("orders", "", "", ""), GetsRows},
		"asked-row":                   {ofMine("orders", "note=like.o%", "", `{"id":1,"org":"a","note":"one"}`), GetsRow},
		"asked-hides":                 {ofMine("orders", "", "", `{"id":1,"org":"b"}`), GetsNothing},
		"policy-raises":               {ofMine("raising", "", "", `{"id":1,"note":"x"}`), GetsNothing},
		"by-key-is-found":             {ofMine("derived", "", "", `{"id":1,"owner":"`+mine+`"}`), GetsRow},
		"by-key-is-not-found":         {ofMine("derived", "", "", `{"id":2,"owner":"`+mine+`"}`), GetsNothing},
		"no-policy":                   {ofMine("bare", "", "", `{"id":1}`), GetsNothing},
		"no-policy-without-row":       {ofMine("bare", "", "", ""), GetsNothing},
		"no-select":                   {ofMine("closed", "", "", `{"id":1}`), GetsEvent},
		"no-select-of-key":            {ofMine("keyless", "", "", `{"id":1}`), GetsEvent},
		"no-select-of-column":         {ofMine("partial", "note=eq.a", "", `{"id":1,"note":"a","secret":"s"}`), GetsRow},
		"no-select-of-filter":         {ofMine("partial", "secret=eq.s", "", `{"id":1,"note":"a","secret":"s"}`), GetsNothing},
		"no-usage":                    {ofMine("app.away", "", "", `{"id":1}`), GetsEvent},
		"no-usage-under-rls":          {ofMine("app.guarded", "", "", `{"id":1}`), GetsNothing},
		"not-published":               {ofMine("unpublished", "", "", `{"id":1}`), GetsNothing},
		"no-such-table":               {ofMine("none", "", "", ""), GetsNothing},
		"not-published-event":         {ofMine("inserts", "", "DELETE", `{"id":1}`), GetsNothing},
		"no-such-role":                {Question{Table: "plain", Role: "nobody_at_all", Row: json.RawMessage(`{"id":5}`)}, GetsNothing},
		"delete-of-open":              {ofMine("plain", "id=eq.5", "DELETE", `{"id":5,"note":"a"}`), GetsKey},
		"delete-by-another-column":    {ofMine("plain", "note=eq.a", "DELETE", `{"id":5,"note":"a"}`), GetsNothing},
		"delete-under-compiled":       {ofMine("notes", "", "DELETE", `{"id":1,"owner":"`+theirs+`"}`), GetsKey},
		"delete-of-whole-row":         {ofMine("whole", "", "DELETE", `{"id":1,"owner":"`+mine+`","note":"a"}`), GetsRow},
		"delete-of-whole-row-is-seen": {ofMine("whole", "", "DELETE", `{"id":1,"owner":"`+theirs+`","note":"a"}`), GetsNothing},
		"delete-under-asked":          {ofMine("orders", "", "DELETE", `{"id":1,"org":"b"}`), GetsKey},
	} {
		t.Run(name, func(t *testing.T) {
			a := l.ask(c.question)
			if a.Gets != c.gets {
				t.Errorf("the subject gets %q; want %q", a.Gets, c.gets)
			}
			golden.Compare(t, "testdata/"+name+".txt", l.text(a))
		})
	}
}

// TestTokens: a bad token is told of, and what follows is for its claims.
func TestTokens(t *testing.T) {
	l := newLab(t)
	l.config.Holder = func(token string) (Holder, error) {
		switch token {
		case "old":
			return Holder{Role: "authenticated", Claims: claims, Refused: "Token has expired 3 seconds ago"}, nil
		case "unseen":
			return Holder{Role: "authenticated", Claims: claims, Unverified: true}, nil
		case "good":
			return Holder{Role: "authenticated", Claims: claims}, nil
		}
		return Holder{}, errors.New("The token provided is not a valid JWT")
	}
	for token, gets := range map[string]Gets{"old": GetsNothing, "unseen": GetsRow, "good": GetsRow} {
		a := l.ask(Question{Table: "plain", Token: token, Row: json.RawMessage(`{"id":5,"note":"a","price":1,"tags":"{a,b}"}`)})
		if a.Gets != gets {
			t.Errorf("with a token that is %s the subject gets %q; want %q", token, a.Gets, gets)
		}
		golden.Compare(t, "testdata/token-"+token+".txt", l.text(a))
	}
	if got := l.refused(Question{Table: "plain", Token: "secret-token"}); got != "token: The token provided is not a valid JWT" {
		t.Errorf("of a token that cannot be read it says %q", got)
	}
}

// TestARowIsReadAsPostgresReadsIt, and printed as Postgres prints it.
func TestARowIsReadAsPostgresReadsIt(t *testing.T) {
	l := newLab(t, `create domain even as int check (value % 2 = 0); create table odd (id even primary key, owner uuid, at timestamptz, ok boolean, doc jsonb, list int[], price numeric(6,2));
		grant select on odd to authenticated; create publication odd for table odd`)
	l.config.Publications = []string{"odd"}
	a := l.ask(ofMine("odd", "doc->>kind=eq.x", "", `{"id": 4, "owner": "{00000000-0000-4000-8000-00000000000A}", "at": "2026-01-02T03:04:05Z", "ok": true, "doc": {"kind": "x"}, "list": "{ 1, 2}"}`))
	got := map[string]string{}
	for name, text := range a.Row.Values {
		if got[name] = "NULL"; text != nil {
			got[name] = *text
		}
	}
	if got["id"] != "4" || got["owner"] != "00000000-0000-4000-8000-00000000000a" || got["ok"] != "t" || got["doc"] != `{"kind": "x"}` || got["list"] != "{1,2}" || got["price"] != "NULL" || a.Gets != GetsRow {
		t.Errorf("it reads %v, and the subject gets %q", got, a.Gets)
	}
	for row, want := range map[string]string{
		`{"id": 3}`:     `row: column "id": value for domain public.even violates check constraint "even_check" (SQLSTATE 23514)`,
		`{"owner":"x"}`: `row: column "owner": invalid input syntax for type uuid: "x" (SQLSTATE 22P02)`,
		`{"list":[1]}`:  `row: column "list": want the text that Postgres prints, such as "{1,2}" of an array`,
		`{"none":1}`:    `row: public.odd has no column "none"`,
		`[1]`:           `row: want an object in JSON, such as {"id": 5}`,
	} {
		if got := l.refused(ofMine("odd", "", "", row)); got != want {
			t.Errorf("of the row %s it says %q; want %q", row, got, want)
		}
	}
}

// TestWrongQuestionsAreRefused before the database is looked at.
func TestWrongQuestionsAreRefused(t *testing.T) {
	row := json.RawMessage(`{"id":1}`)
	for want, q := range map[string]Question{
		`table: want a table as schema.table, got ""`:                             {Role: "anon"},
		`table: want one table, got "*"`:                                          {Table: "*", Role: "anon"},
		`event: want INSERT, UPDATE, DELETE or *, got "insert"`:                   {Table: "t", Role: "anon", Event: "insert"},
		`action: want INSERT, UPDATE or DELETE, got "TRUNCATE"`:                   {Table: "t", Role: "anon", Action: "TRUNCATE", Row: row},
		`action is given without a row: want row or key`:                          {Table: "t", Role: "anon", Action: "INSERT"},
		`row and key are given: want one of them`:                                 {Table: "t", Role: "anon", Row: row, Key: row},
		`key: want an object with a column`:                                       {Table: "t", Role: "anon", Key: json.RawMessage(`{}`)},
		`role: want the name of a role, or a token, or claims that have a role`:   {Table: "t"},
		`claims: want an object in JSON, such as {"id": 5}`:                       {Table: "t", Claims: json.RawMessage(`"x"`)},
		`token is given together with role or claims: want the one or the others`: {Table: "t", Token: "x", Role: "anon"},
		`role is "anon", and the claims have the role "authenticated": want one`:  {Table: "t", Role: "anon", Claims: json.RawMessage(claims)},
		`token: there is nobody to read it`:                                       {Table: "t", Token: "x"},
	} {
		_, err := q.read(nil)
		var wrong *QuestionError
		if !errors.As(err, &wrong) || wrong.Error() != want {
			t.Errorf("%+v is refused with %v; want %s", q, err, want)
		}
	}
	q, err := Question{Table: "t", Role: "anon", Claims: json.RawMessage(`{"n": 12345678901234567890}`)}.read(nil)
	if err != nil || q.holder.Claims != `{"n":12345678901234567890,"role":"anon"}` {
		t.Errorf("claims without a role are %s, %v", q.holder.Claims, err)
	}
}

// TestTheRowOfTheTable is read by whoever may read it past its policies, which walcast's own
// role never evaluates.
func TestTheRowOfTheTable(t *testing.T) {
	l := newLab(t, `insert into plain values (5, 'a', 1.5, '{x}'), (6, 'a', 2, null);
		create table spied (id int primary key, at timestamptz, ok boolean, mood text); insert into spied values (1, '2026-01-02 03:04:05+02', true, 'x');
		create function spy() returns boolean language plpgsql as $$ begin if current_user <> 'authenticated' then raise exception 'it ran as %', current_user; end if; return false; end $$;
		alter table spied enable row level security; create policy spy on spied for select using (spy()); grant select on spied to $role, authenticated;
		create type mood as (a int); create table odd (id int primary key, mood mood); grant select on odd to authenticated; alter publication rows add table spied, odd`)
	keyed := func(table, key string) Question {
		return Question{Table: table, Claims: json.RawMessage(claims), Key: json.RawMessage(key)}
	}
	if a := l.ask(keyed("plain", `{"id":5}`)); a.Gets != GetsRow || *a.Row.Values["price"] != "1.5" || *a.Row.Values["tags"] != "{x}" || a.Row.Missing != nil {
		t.Errorf("of a row that the subject may read it answers %+v", a)
	}
	for key, want := range map[string]string{
		`{"id":7}`:     "key: public.plain has no such row",
		`{"note":"a"}`: "key: public.plain has several such rows",
		`{"id":"x"}`:   `key: invalid input syntax for type integer: "x" (SQLSTATE 22P02)`,
		`{"id":null}`:  `key: column "id": want a value that is not null`,
		`{"none":1}`:   `key: public.plain publishes no column "none"`,
		`{"tags":"x"}`: `key: column "tags" is of a type that is not built in: give the row itself`,
	} {
		// as walcast's own role may not read the table, the subject that finds nothing says nothing
		if key == `{"id":7}` {
			l.db.Exec("grant select on plain to " + l.role)
		}
		if got := l.refused(keyed("plain", key)); got != want {
			t.Errorf("of the key %s it says %q; want %q", key, got, want)
		}
	}
	_, err := Explain(t.Context(), l.config, keyed("spied", `{"id":1}`))
	if err == nil || !strings.Contains(err.Error(), "neither walcast's role nor one that it may become may read the table past its policies") {
		t.Errorf("of a row that nobody may read it answers %v", err)
	}
	l.config.Reader = "service_role"
	if _, err := Explain(t.Context(), l.config, keyed("spied", `{"id":1}`)); err == nil || !strings.Contains(err.Error(), "role service_role is not one that may read the table past its policies") {
		t.Errorf("of a row that the only reader may not read it answers %v", err)
	}
	l.config.Reader = ""
	l.db.Exec("grant service_role to " + l.role + "; grant select on spied to service_role")
	a := l.ask(keyed("spied", `{"id":1}`))
	if a.Gets != GetsNothing || *a.Row.Values["at"] != "2026-01-02 01:04:05+00" || *a.Row.Values["ok"] != "t" {
		t.Errorf("of a row that a role may read past policies it answers %+v", a.Row)
	}
	golden.Compare(t, "testdata/key-of-hidden.txt", l.text(a))
	if l.config.Reader = "service_role"; l.ask(keyed("spied", `{"id":1}`)).Row == nil {
		t.Error("a reader that may read the row does not")
	}
}

// TestRowFiltersOfPublications hide rows from everybody.
func TestRowFiltersOfPublications(t *testing.T) {
	l := newLab(t, "create table filtered (id int primary key, note text); grant select on filtered to authenticated")
	l.config.Publications = []string{"part", "others"}
	if l.db.Server.Major < 15 { // which knows none
		l.db.Exec("create publication part for table filtered")
		if a := l.ask(ofMine("filtered", "", "", `{"id":1}`)); a.Gets != GetsRow || len(a.Row.Checks) != 3 {
			t.Errorf("it answers %+v", a.Row)
		}
		return
	}
	l.db.Exec("create publication part for table filtered where (id > 10)")
	a := l.ask(ofMine("filtered", "", "", `{"id":1}`))
	if a.Gets != GetsNothing {
		t.Errorf("of a row that is not published the subject gets %q", a.Gets)
	}
	golden.Compare(t, "testdata/row-filter.txt", l.text(a))
	if a := l.ask(ofMine("filtered", "", "", `{"id":11}`)); a.Gets != GetsRow {
		t.Errorf("of a row that is published the subject gets %q: %+v", a.Gets, a.Row)
	}
	l.db.Exec("create publication others for table filtered where (id < 5)")
	if a := l.ask(ofMine("filtered", "", "", `{"id":1}`)); a.Gets != GetsRow {
		t.Errorf("of a row that one of the publications has the subject gets %q: %+v", a.Gets, a.Row)
	}
}
