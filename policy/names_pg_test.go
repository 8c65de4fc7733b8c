package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"walcast/replication/wal"
)

const uid1 = "00000000-0000-4000-8000-000000000001"

// readersSQL is a policy that calls a function of Postgres' with polymorphic
// arguments: one with the very types fits better, wherever it is found.
const readersSQL = `
	create table notes (id int primary key, readers uuid[], body text); alter table notes enable row level security;
	grant all on notes to authenticated;
	insert into notes values (1, array['00000000-0000-4000-8000-000000000001']::uuid[], 'a'), (2, '{}', 'b');
	create policy reader on notes using (array_position(readers, auth.uid()) is not null)`

func TestAPolicyCallsTheFunctionThatItsCreatorMeant(t *testing.T) {
	const capture = "create function public.array_position(uuid[], uuid) returns int language sql as 'select 1'"
	for maker, sql := range map[string]string{
		"who may create objects": "grant create on schema public to MAKER; set role MAKER; " + capture + "; reset role",
		"the table's owner":      capture,
	} {
		l := newLab(t, readersSQL)
		l.Exec(strings.ReplaceAll(sql, "MAKER", l.role("maker", "nologin")))
		rel, s := l.relation("notes"), l.subject("authenticated", user1)
		changes := inserts(rel, l.rows(rel, "order by id"))
		l.ask(rel, s)
		if got := l.visible(s, changes); !slices.Equal(got, []bool{true, false}) {
			t.Errorf("a function made by %s: Visible = %v; want the first", maker, got)
		}
	}
}

func TestAFunctionAddedBehindAKnownPolicyIsNotCalled(t *testing.T) {
	l := newLab(t, readersSQL)
	mallory := l.role("mallory", "nologin")
	l.Exec("grant create on schema public to " + mallory)
	rel, s := l.relation("notes"), l.subject("authenticated", user1)
	changes := inserts(rel, l.rows(rel, "order by id"))
	l.ask(rel, s)
	l.visible(s, changes)
	l.Exec("set role " + mallory + "; create function public.array_position(uuid[], uuid) returns int language sql as 'select 1'; reset role")
	l.policy.pool.Reset() // so that the statements are parsed anew
	if got := l.visible(s, changes); !slices.Equal(got, []bool{true, false}) {
		t.Errorf("Visible = %v; want the first", got)
	}
}

// TestWhatComesToFitAKnownPolicyBetterIsNotCalled: its creator meant Postgres' own, also where
// the table's owner, who is trusted with the schema, has made the other.
func TestWhatComesToFitAKnownPolicyBetterIsNotCalled(t *testing.T) {
	const function = "function public.array_position(uuid[], uuid) returns int language sql as 'select 1'"
	const overlaps = "policy reader on notes using (readers && array[auth.uid()])"
	const operator = "operator public.&& (leftarg = uuid[], rightarg = uuid[], function = public.always)"
	const always = "create function public.always(uuid[], uuid[]) returns bool language sql as 'select true'"
	for name, c := range map[string]struct{ before, later string }{
		"a new function":      {"", "create " + function},
		"one that is renamed": {"create " + strings.Replace(function, "array_position", "other", 1), "alter function public.other(uuid[], uuid) rename to array_position"},
		"one that is moved":   {"create schema aside; create " + strings.Replace(function, "public", "aside", 1), "alter function aside.array_position(uuid[], uuid) set schema public"},
		"a new operator":      {"alter " + overlaps + "; " + always, "create " + operator},
		"one that was moved":  {"create schema aside; alter " + overlaps + "; " + always + "; create " + strings.Replace(operator, "public", "aside", 1), "alter operator aside.&&(uuid[], uuid[]) set schema public"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, readersSQL, c.before)
			l.watching()
			rel, s := l.relation("notes"), l.subject("authenticated", user1)
			changes := inserts(rel, l.rows(rel, "order by id"))
			l.ask(rel, s)
			want := []bool{true, false}
			if got := l.visible(s, changes); !slices.Equal(got, want) {
				t.Fatalf("Visible = %v; want the first", got)
			}
			l.Exec(c.later)
			l.confirm()
			l.policy.pool.Reset() // so that the statements are parsed anew
			if got := l.visible(s, changes); !slices.Equal(got, want) {
				t.Errorf("later Visible = %v; want the first", got)
			}
		})
	}
}

// TestATableMadeLaterInAnEarlierSchemaIsNotReadInstead, as Postgres keeps which one a policy
// reads.
func TestATableMadeLaterInAnEarlierSchemaIsNotReadInstead(t *testing.T) {
	l := newLab(t, docsSQL, "create table members (org int, usr uuid)", "grant all on members to authenticated",
		"insert into members values (7, '"+uid1+"')", "create schema early; grant usage on schema early to authenticated",
		"create policy member on docs using (exists (select from members m where m.org = docs.org and m.usr = auth.uid()))")
	l.Exec("alter database " + l.Name + " set search_path = early, public")
	l.policy.pool.Reset() // so that the path is in effect
	rel, s := l.relation("docs"), l.subject("authenticated", user1)
	changes := inserts(rel, l.rows(rel, "order by id"))
	l.ask(rel, s)
	want := []bool{true, false, true, false}
	if got := l.visible(s, changes); !slices.Equal(got, want) {
		t.Fatalf("Visible = %v; want %v", got, want)
	}
	l.Exec("create table early.members (org int, usr uuid); grant all on early.members to authenticated; insert into early.members select o, '" + uid1 + "' from generate_series(1, 20) o")
	l.policy.pool.Reset() // so that the statements are parsed anew
	if got := l.visible(s, changes); !slices.Equal(got, want) {
		t.Errorf("with another table on the path Visible = %v; want %v", got, want)
	}
}

// Functions without a search_path of their own find their names in the session's.
func TestFunctionsFindTheirNamesWhereOthersMayMakeObjects(t *testing.T) {
	for _, public := range []string{"", "grant create on schema public to public"} {
		l := newLab(t, docsSQL, public, "create table members (org int, usr uuid)", "grant all on members to authenticated",
			"insert into members values (7, '"+uid1+"')",
			"create function member(o int) returns bool language plpgsql stable as 'begin return exists (select from members where org = o and usr = auth.uid()); end'",
			"create policy member on docs using (member(org))")
		rel, s := l.relation("docs"), l.subject("authenticated", user1)
		changes := inserts(rel, l.rows(rel, "order by id"))
		if got := l.visible(s, changes); !slices.Equal(got, []bool{true, false, true, false}) {
			t.Errorf("%s: Visible = %v", public, got)
		}
	}
}

func TestNoColumnIsTakenForANameOfOurs(t *testing.T) {
	l := newLab(t, `
		create table other (sent int); insert into other values (1), (2); grant all on other to anon;
		create type pair as (c0 int, id int, ordinal int);
		create table sent (ordinal int, ordinal_ int, sent pair, present pair, numbered pair, visible bool, c0 int, c1 int, id int primary key, position int);
		create table present (id int primary key, sent pair, present int, ordinal int, c0 int);`)
	l.Exec(`insert into sent values (5, 6, row(1, 2, 3), row(1, 2, 3), row(1, 2, 3), true, 8, 9, 1, 7), (1, 1, null, null, null, true, 1, 1, 2, 1);
		insert into present values (1, row(2, 2, 2), 1, 1, 2), (2, row(1, 1, 1), 2, 2, 1)`)
	for _, table := range []string{"sent", "present"} {
		l.Exec(fmt.Sprintf("alter table %s enable row level security; grant all on %[1]s to anon", table))
		for _, using := range []string{"id % 2 = 1 and length(id::text) = 1", "id = 1 and TABLE.* is distinct from null", "id = 1 and exists (select from other as numbered where numbered.sent = TABLE.id)"} {
			l.Exec("drop policy if exists odd on " + table)
			l.Exec("create policy odd on " + table + " using (" + strings.ReplaceAll(using, "TABLE", table) + ")")
			rel, s := l.relation(table), l.subject("anon", "{}")
			changes := inserts(rel, l.rows(rel, "order by id"))
			l.ask(rel, s)
			if got := l.visible(s, changes); !slices.Equal(got, []bool{true, false}) {
				t.Errorf("%s, %s: Visible = %v; want the first", table, using, got)
			}
			lookUp := l.policy.tables.of(rel, "anon").current().statements
			lookUp.byRow = ""
			if got := l.visible(s, changes); !slices.Equal(got, []bool{true, false}) {
				t.Errorf("%s, %s, looked up: Visible = %v; want the first", table, using, got)
			}
		}
	}
}

// What others make in a schema on the path of walcast's own user is not called
// by its own statements, with its rights.
func TestOurOwnStatementsCallPostgresOwnFunctions(t *testing.T) {
	l := newLab(t, docsSQL, messagesSQL, today, topicPolicies, "create policy odd on docs using (id % 2 = 1)", `
		create function public.unnest(text[]) returns setof text language plpgsql as $$ begin raise 'captured'; end $$;
		create function public.to_jsonb(pg_database) returns jsonb language plpgsql as $$ begin raise 'captured'; end $$;
		create function public.unnest(int2[], oid[]) returns table (a int2, b oid) language plpgsql as $$ begin raise 'captured'; end $$;`)
	rel, s := l.relation("docs"), l.subject("authenticated", user1)
	changes := inserts(rel, l.rows(rel, "order by id"))
	if got := l.visible(s, changes); !slices.Equal(got, []bool{true, false, true, false}) {
		t.Errorf("Visible = %v", got)
	}
	key := append(wal.Row{changes[0].New[0]}, make(wal.Row, len(rel.Columns)-1)...)
	l.ask(rel, s)
	if got := l.visible(s, inserts(rel, []wal.Row{key})); !slices.Equal(got, []bool{true}) {
		t.Errorf("Visible = %v", got)
	}
	if g, err := l.policy.MayRead(t.Context(), s, Topic{Name: "pv-br"}, true); err != nil || !g.ReadBroadcast {
		t.Errorf("MayRead = %+v, %v", g, err)
	}
	if g, err := l.policy.MayWrite(t.Context(), s, Topic{Name: "pv-bw"}); err != nil || !g.WriteBroadcast {
		t.Errorf("MayWrite = %+v, %v", g, err)
	}
	if _, err := NewOperators(l.Pool, nil).Locale(t.Context()); err != nil {
		t.Errorf("Locale: %v", err)
	}
}
