package policy

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"pgregory.net/rapid"

	"walcast/filters"
	"walcast/replication/wal"
)

const randomTableSQL = `
	create extension if not exists citext;
	create collation loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
	create type mood as enum ('sad', 'ok', 'x');
	create domain key as uuid; create domain amount as numeric(8,2);
	create domain label as text;
	create table docs (id int primary key, owner uuid, t text, v varchar(20), dom label, b bool, small smallint, i int, big bigint, n numeric,
		f float8, e mood, d date, ts timestamptz, ch char(4), gone text default 'x', name name, arr int[], j jsonb,
		c citext, loose text collate loose, at timestamp, span interval, r float4, code "char", raw bytea, o oid, ip inet,
		who key, price amount, tags text[], during int4range, bits varbit, twice int generated always as (i * 2) stored);
	alter table docs drop column gone;
	alter table docs enable row level security; grant all on docs to anon, authenticated;
	create table members (org int, usr uuid);
	insert into members values (1, '00000000-0000-4000-8000-000000000001'), (2, null);
	grant select on members to anon, authenticated;
	create function even(int) returns bool language sql immutable as 'select $1 % 2 = 0';
	create function restricted() returns uuid language sql stable as $$ select (current_setting('request.jwt.claims', true)::jsonb ->> 'sub')::uuid $$;
	revoke execute on function restricted() from public; grant execute on function restricted() to authenticated;`

// drawTerm draws a boolean about a row, mostly of the kind that is compiled.
func drawTerm(t *rapid.T) string {
	pick := func(label string, items ...string) string { return rapid.SampledFrom(items).Draw(t, label) }
	order := pick("op", "=", "<>", "<", "<=", ">", ">=", "is distinct from", "is not distinct from")
	equal := pick("equal", "=", "<>", "is distinct from")
	claim := "(" + pick("claims", "auth.jwt()", "current_setting('request.jwt.claims', true)::jsonb", "current_setting('request.jwt.claims')::json") +
		" ->> '" + pick("claim", "sub", "role", "n", "tenant", "missing") + "')"
	uid := pick("uid", "auth.uid()", "(select auth.uid())", "(auth.jwt() ->> 'sub')::uuid", "'00000000-0000-4000-8000-000000000001'", "null::uuid", "restricted()")
	number := pick("number", "0", "1", "-7", "7", "70000", "5000000000", "1.5", claim+"::int", "'1'::smallint", "null::bigint")
	text := pick("text", "'x'", "'authenticated'", "''", claim, "auth.role()", "auth.email()", "current_user", "owner::text", "null::text", "'a''b'")
	if rapid.IntRange(0, 9).Draw(t, "odd") == 0 {
		return drawOdd(t, claim, order, equal)
	}
	switch rapid.IntRange(0, 19).Draw(t, "term") {
	case 0, 1:
		return "owner " + equal + " " + uid
	case 2:
		return uid + " " + pick("op2", "=", "<>") + " owner"
	case 3, 4:
		return pick("text column", "t", "v", "dom", "name") + " " + equal + " " + text
	case 5:
		return pick("printed", "owner", "i", "e", "big") + "::text " + pick("op3", "=", "<>") + " " + text
	case 6, 7:
		return pick("number column", "small", "i", "big", "n") + " " + order + " " + number
	case 8:
		return number + " " + pick("op4", "<", ">=") + " " + pick("number column 2", "i", "n")
	case 9:
		return pick("boolean", "b", "not b", "b is true", "b is not true", "b is false", "b is unknown", "b = (auth.jwt() ->> 'admin')::boolean", "b = true", "b is not null")
	case 10:
		return pick("null column", "owner", "t", "i", "arr", "j", "d", "e") + pick("null", " is null", " is not null")
	case 11:
		return pick("in column", "t", "v", "dom") + pick("in", " in ", " not in ") + "('x', 'authenticated'" + pick("in more", "", ", null", ", auth.role()") + ")"
	case 12:
		return "i = any (" + pick("array", "'{1,7,null}'", "array[1, 2, (auth.jwt() ->> 'n')::int]", "'{}'", "arr") + ")"
	case 13:
		return "e " + pick("op5", "=", "<>", "<") + " " + pick("mood", "'ok'", "'x'", claim+"::mood", "null")
	case 14:
		return pick("time", "d < '2024-02-03'", "d = '2024-02-03'", "ts >= '2024-02-03 04:05:06+01'", "ts = '2024-02-03 03:05:06Z'", "ts > now()", "d <= 'infinity'")
	case 15:
		return pick("float", "f = 1", "f > 1.5", "f <= 0.1", "f is distinct from 0")
	case 16:
		return pick("constant", "true", "false", "auth.role() = 'authenticated'", "auth.uid() is not null", claim+" = 'x'", "(auth.jwt() ->> 'admin')::boolean", "null::bool", "current_user = 'anon'")
	case 17:
		return pick("asked", "i in (select org from members where usr = auth.uid())", "exists (select from members where usr = docs.owner)", "even(i)", "length(t) > 1", "docs.* is not null", "t like 'x%'", "i = id", "j ->> 'a' = t", "10 / i > 1", "t || v = 'xx'")
	case 18:
		return pick("trimmed", "ch = 'x'", "ch::text = 'x'", "t = ch")
	}
	return "name " + equal + " " + pick("name", "current_user", claim+"::text", "owner::text", "'x'", "repeat('n', 70)", "(auth.jwt() ->> 'long')")
}

// drawOdd draws a boolean about a column of a type that compares in its own way.
func drawOdd(t *rapid.T, claim, order, equal string) string {
	pick := func(label string, items ...string) string { return rapid.SampledFrom(items).Draw(t, label) }
	return pick("odd term",
		"c "+equal+" "+pick("citext", "'X'", "'x'::text", claim, "t", "'authenticated'::citext"),
		"c::text "+equal+" 'x'", "t = c", "c in ('X', 'y')",
		"loose "+equal+" "+pick("loose", "'X'", "'x'", claim, "t"), "loose in ('X', 'y')", `loose collate "C" = 'x'`, "t = loose",
		"at "+order+" "+pick("timestamp", "'2024-02-03 03:05:06'", "'infinity'", "'2024-02-03 03:05:06Z'::timestamptz", "'2024-02-03'::date", "now()"),
		"ts "+order+" "+pick("timestamptz", "'-infinity'", "'2024-02-03'::date", "'2024-02-03 03:05:06'::timestamp"),
		"span "+order+" "+pick("interval", "'1 mon'", "'30 days'", "'720:00:00'"),
		"r "+order+" "+pick("real", "0.1", "0.1::float4", "'NaN'", "1"), "f "+order+" "+pick("double", "'NaN'", "'-0'", "'Infinity'", "0.1::float4"),
		"n "+order+" "+pick("numeric", "'NaN'", "1.0", "'Infinity'::float8", "1.50::numeric(3,1)"),
		"code "+equal+" "+pick("code", "'x'", "'xx'", "'x'::text"), "raw "+equal+" "+pick("raw", `'\x78'`, "'x'"),
		"o "+order+" "+pick("oid", "1", "4294967295", "'1'", "-1"), "ip "+pick("ip op", "=", "<>", "<<")+" "+pick("ip", "'10.0.0.1'", "'10.0.0.1/8'", "'10.0.0.0/8'"),
		"who "+equal+" "+pick("who", "auth.uid()", "owner", "'00000000-0000-4000-8000-000000000001'"), "who::text = "+claim,
		"price "+order+" "+pick("price", "1.5", "1.505", "1"), pick("tag", "'x'", claim, "null")+" = any (tags)", "tags @> array['x']", "tags = '{x,NULL}'",
		"during @> i", "during = '[1,4]'", "bits = '01'", "twice "+order+" "+pick("twice", "2", "14", "i"), "ch "+equal+" "+pick("ch", "'x   '", "'x'::varchar", claim+"::char(4)"),
		"coalesce(t, v) = 'x'", "case when b then t = 'x' else i = 1 end", "(t, i) = ('x', 1)", "row(i, null) is null", "i between 0 and 7", "e::text < 'ok'", "t ~ '^x$'", "nullif(t, 'x') is null")
}

func drawBoolean(t *rapid.T, depth int) string {
	if depth == 0 || rapid.IntRange(0, 2).Draw(t, "leaf") == 0 {
		return drawTerm(t)
	}
	form := rapid.SampledFrom([]string{
		"(%s) and (%s)", "(%s) or (%s)", "not ((%s) or (%s))", "((%s) and (%s)) is not true", "((%s) or (%s)) is null",
	}).Draw(t, "form")
	return fmt.Sprintf(form, drawBoolean(t, depth-1), drawBoolean(t, depth-1))
}

// randomRow is a row's values as SQL.
func randomRow(r *rand.Rand, id int) string {
	pick := func(items ...string) string { return items[r.IntN(len(items))] }
	return fmt.Sprintf("(%d, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)", id,
		pick("null", "'00000000-0000-4000-8000-000000000001'", "'00000000-0000-4000-8000-000000000002'"),
		pick("null", "''", "'x'", "'authenticated'", "'xx'", "'a''b'"), pick("null", "'x'", "'authenticated'"), pick("null", "'x'", "'1'"),
		pick("null", "true", "false"), pick("null", "0", "1", "-7"), pick("null", "0", "1", "7", "-7", "70000"), pick("null", "1", "5000000000"),
		pick("null", "0", "1.0", "1.50", "'NaN'", "70000"), pick("null", "0", "'-0'", "1", "1.5", "0.1", "'NaN'"), pick("null", "'sad'", "'ok'", "'x'"),
		pick("null", "'2024-02-03'", "'2024-02-04'", "'infinity'"), pick("null", "'2024-02-03 03:05:06+00'", "'2024-02-03 05:05:06+00'", "'2199-01-01'"),
		pick("null", "'x'"), pick("null", "'x'", "'anon'", "'authenticated'", "repeat('n', 63)"), pick("null", "'{1,7}'"), pick("null", `'{"a": "x"}'`), oddRow(pick))
}

// oddRow is the values of the columns that drawOdd is about.
func oddRow(pick func(...string) string) string {
	return strings.Join([]string{
		pick("null", "'x'", "'X'", "'Authenticated'"), pick("null", "'x'", "'X'", "'y'"), pick("null", "'2024-02-03 03:05:06'", "'2024-02-03'", "'infinity'"),
		pick("null", "'1 mon'", "'30 days'", "'29 days 24:00:00'"), pick("null", "0.1", "'-0'", "'NaN'", "1"), pick("null", "'x'", "''"), pick("null", `'\x78'`, `'\x'`),
		pick("null", "1", "4294967295"), pick("null", "'10.0.0.1'", "'10.0.0.1/8'", "'10.0.0.0/8'"),
		pick("null", "'00000000-0000-4000-8000-000000000001'", "'00000000-0000-4000-8000-000000000002'"), pick("null", "1.5", "1.505", "1"),
		pick("null", "'{x}'", "'{x,NULL}'", "'{}'"), pick("null", "'[1,5)'", "'empty'", "'(,)'"), pick("null", "'01'", "''"),
	}, ", ")
}

// reference is which rows Postgres shows the subject; a row that raises is an
// error.
func (l *lab) reference(s *Subject, ids int) (map[int]bool, map[int]error) {
	l.t.Helper()
	seen, errs := map[int]bool{}, map[int]error{}
	if err := l.selectAs(s, "select id from docs", seen); err == nil {
		return seen, errs
	}
	for id := range ids {
		if err := l.selectAs(s, fmt.Sprintf("select id from docs where id = %d", id), seen); err != nil {
			errs[id] = err
		}
	}
	return seen, errs
}

func (l *lab) selectAs(s *Subject, sql string, seen map[int]bool) error {
	ctx := context.Background()
	err := pgx.BeginFunc(ctx, l.Pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, becomeSQL, "5000", "public", "", s.Claims, s.Role, "on", ""); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, sql)
		if err != nil {
			return err
		}
		found, err := pgx.CollectRows(rows, pgx.RowTo[int])
		for _, id := range found {
			seen[id] = true
		}
		return err
	})
	var pg *pgconn.PgError
	if err != nil && !errors.As(err, &pg) {
		l.t.Fatalf("%s: %v", sql, err)
	}
	return err
}

// drawPolicies creates random policies, and returns what it created.
func (l *lab) drawPolicies(t *rapid.T, member string) string {
	var all []string
	for i := range rapid.IntRange(0, 3).Draw(t, "policies") {
		sql := fmt.Sprintf("create policy p%d on docs as %s for %s to %s using (%s)", i,
			rapid.SampledFrom([]string{"permissive", "permissive", "restrictive"}).Draw(t, "kind"),
			rapid.SampledFrom([]string{"select", "all"}).Draw(t, "command"),
			rapid.SampledFrom([]string{"public", "public", "authenticated", "anon, authenticated", member}).Draw(t, "roles"),
			drawBoolean(t, 2))
		if _, err := l.Pool.Exec(context.Background(), sql); err == nil { // else the types do not fit
			all = append(all, sql)
		}
	}
	return strings.Join(all, ";\n")
}

func (l *lab) dropPolicies() {
	l.Exec("do $$ declare p record; begin for p in select polname from pg_policy where polrelid = 'docs'::regclass loop execute format('drop policy %I on docs', p.polname); end loop; end $$")
}

// Compiled or asked, the rows that a subject sees are those that Postgres
// shows it, whatever the policies, rows, roles and claims.
func TestVisibilityIsThatOfPostgres(t *testing.T) {
	l := newLab(t, randomTableSQL)
	member := l.role("member", "nologin")
	heir := l.role("heir", "nologin inherit in role authenticated, "+member)
	stranger := l.role("stranger", "nologin noinherit in role authenticated, "+member)
	owner, above := l.role("owner", "nologin"), l.role("above", "nologin bypassrls")
	roles := []string{"anon", "authenticated", member, heir, stranger, owner, above}
	for _, role := range roles[2:] {
		l.Exec(fmt.Sprintf("grant all on docs, members to %s; grant usage on schema auth, public to %[1]s", role))
	}
	l.Exec("alter table docs owner to " + owner)
	const rows = 25
	compiled, asked, odd := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		l.dropPolicies()
		l.Exec("truncate docs")
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "rows"), 0))
		values := make([]string, rows)
		for id := range values {
			values[id] = randomRow(r, id)
		}
		l.Exec("insert into docs values " + strings.Join(values, ", "))
		l.Exec("alter table docs replica identity " + rapid.SampledFrom([]string{"default", "full"}).Draw(t, "identity"))
		l.Exec("alter table docs " + rapid.SampledFrom([]string{"force", "no force"}).Draw(t, "owners") + " row level security")
		policies := l.drawPolicies(t, member)
		role := rapid.SampledFrom(roles).Draw(t, "role")
		s := l.policy.Subject(role, drawClaims(t))
		defer l.policy.Release(s)
		want, raises := l.reference(s, rows)

		c := trial{l: l, subject: s, want: want, raises: raises}
		fail := func(how string, row int, got any) {
			t.Fatalf("%s: row %d: %v; want visible %t, raises %v\nas %s with %s\n%s", how, row, got, want[row], raises[row], s.Role, s.Claims, policies)
		}
		if c.compiled(fail) {
			compiled++
		} else {
			asked++
		}
		c.asked(fail)
		odd += c.odd
	})
	t.Logf("compiled %d, asked %d; %d rows raised on one side only", compiled, asked, odd)
}

// trial holds our answers to Postgres'.
type trial struct {
	l       *lab
	subject *Subject
	want    map[int]bool
	raises  map[int]error
	odd     int // rows that raised on one side only
}

// compiled checks the guard; it returns false when there is none.
func (c *trial) compiled(fail func(how string, row int, got any)) bool {
	rel := c.l.relation("docs")
	c.l.view(rel, c.subject)
	if c.l.verdict(rel, c.subject) != Compiled {
		return false
	}
	for id, row := range c.l.rows(rel, "order by id") {
		if c.raises[id] != nil {
			fail("compiled", id, "a policy that raises")
		}
		for _, op := range []wal.Operation{wal.Insert, wal.Update} {
			if got := c.passes(rel, op, row); got != c.want[id] {
				fail("compiled "+op.String(), id, got)
			}
		}
		old := row
		if rel.ReplicaIdentity != wal.IdentityFull {
			old = append(wal.Row{row[0]}, make(wal.Row, len(row)-1)...)
		}
		got := c.passes(rel, wal.Delete, old)
		if got != c.want[id] && (c.want[id] || rel.ReplicaIdentity == wal.IdentityFull) {
			fail("compiled DELETE", id, got)
		}
		sees := c.l.policy.SeesOld(&wal.Change{Operation: wal.Update, Relation: rel, Old: old, New: row}, c.subject)
		if sees != (c.want[id] && rel.ReplicaIdentity == wal.IdentityFull) {
			fail("old row shown", id, sees)
		}
	}
	c.partitioned(rel, fail)
	return true
}

// partitioned checks the guard of a table published as the root of partitions, of which
// some send whole old rows and others the key.
func (c *trial) partitioned(of *wal.Relation, fail func(how string, row int, got any)) {
	copied := *of
	copied.Old = append([]wal.Sent{wal.SentAlways}, slices.Repeat([]wal.Sent{wal.SentSometimes}, len(of.Columns)-1)...)
	rel := wal.NewRelation(copied)
	if c.l.verdict(rel, c.subject) != Compiled {
		return // an UPDATE may lack what they read
	}
	for id, row := range c.l.rows(rel, "order by id") {
		key := append(wal.Row{row[0]}, make(wal.Row, len(row)-1)...)
		if got := c.passes(rel, wal.Delete, row); got != c.want[id] {
			fail("compiled DELETE of a whole row", id, got)
		}
		if got := c.passes(rel, wal.Delete, key); !got && c.want[id] {
			fail("compiled DELETE by the key", id, got)
		}
		for _, old := range []wal.Row{row, key} {
			sees := c.l.policy.SeesOld(&wal.Change{Operation: wal.Update, Relation: rel, Old: old, New: row}, c.subject)
			if want := c.want[id] && old.IsWhole(); sees != want {
				fail("old row of a partition shown", id, sees)
			}
		}
	}
}

func (c *trial) passes(rel *wal.Relation, op wal.Operation, row wal.Row) bool {
	e := c.l.policy.Guard(c.subject).Where(rel, op)
	return e == nil || e.Eval(row) == filters.True
}

func (c *trial) asked(fail func(how string, row int, got any)) {
	rel := c.l.relation("docs")
	c.l.ask(rel, c.subject)
	changes := inserts(rel, c.l.rows(rel, "order by id"))
	seen, errs, err := c.l.policy.Visible(context.Background(), c.subject, changes)
	if err != nil {
		fail("asked", 0, err)
	}
	for id := range changes {
		raised := errs[id] != nil || c.raises[id] != nil // which of two operands is looked at first is up to the planner
		if seen[id] != c.want[id] && !raised {
			fail("asked", id, fmt.Sprint(seen[id], errs[id]))
		}
		if (errs[id] != nil) != (c.raises[id] != nil) {
			c.odd++
		}
	}
}
