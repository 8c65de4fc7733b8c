package doctor

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"walcast/replication/catalog"
)

// failure is a database in which something is wrong, and what is found of it.
type failure struct {
	name   string
	schema string
	role   string   // that the examination is narrowed to; "" is none
	table  string   // of schema public, that the examination is narrowed to; "" is none
	want   Finding  // see lab.want
	app    []string // statements of the application that work once it is mended; nil is what applications do to t

	from  int // the oldest major version that has it; 0 is any
	until int // the newest; 0 is any
}

// writes are what applications do to t.
var writes = []string{`insert into t (id, note) values (1, 'a'), (11, 'b')`, `update t set note = 'c' where id = 1`, `update t set id = 2 where id = 1`, `delete from t where id > 0`}

const (
	keyed   = `create table t (id int primary key, note text); grant select on t to anon, authenticated; `
	keyless = `create table t (id int, note text); grant select on t to anon, authenticated; `
	parted  = `create table t (id int, note text) partition by range (id); grant select on t to anon, authenticated;
		create table t_low partition of t for values from (0) to (10); create table t_high partition of t for values from (10) to (20); grant select on t_low, t_high to anon, authenticated; `
	onRows     = `create publication rows for table t`
	fullOf     = `UPDATE and DELETE then write the whole old row to the WAL`
	toTable    = "the owner of the publication and the table"
	byPostgres = `"postgres"`
)

func aboutT(v Verdict, code, reason string) Finding {
	return Finding{Code: code, Verdict: v, About: About{Table, "public.t"}, Reason: reason}
}

func (f Finding) with(fix, cost, by string) Finding { f.Fix, f.Cost, f.By = fix, cost, by; return f }

func (f Finding) advising(advice string) Finding { f.Advice = advice; return f }

var tableFailures = []failure{
	{
		name: "no primary key", schema: keyless + onRows, want: aboutT(Problem, "identity_missing", "its UPDATE and DELETE fail, as it is published and has no primary key").
			with(`ALTER TABLE "public"."t" REPLICA IDENTITY FULL;`, fullOf, byPostgres).advising("a primary key is better"),
	},
	{
		name: "a deferrable key", schema: `create table t (id int primary key deferrable, note text); grant select on t to anon, authenticated; ` + onRows,
		want: aboutT(Problem, "identity_missing", "no primary key that can be its replica identity").with(`ALTER TABLE "public"."t" REPLICA IDENTITY FULL;`, fullOf, byPostgres).advising("a primary key is better"),
	},
	{
		name: "an identity of nothing", schema: keyed + `alter table t replica identity nothing; ` + onRows,
		want: aboutT(Problem, "identity_missing", "REPLICA IDENTITY NOTHING").with(`ALTER TABLE "public"."t" REPLICA IDENTITY DEFAULT;`, "", byPostgres),
	},
	{
		name: "an index that is gone", schema: keyed + `alter table t alter note set not null; create unique index i on t (note); alter table t replica identity using index i; drop index i; alter table t alter note drop not null; ` + onRows,
		want: aboutT(Problem, "identity_missing", "an index as replica identity that is gone").with(`ALTER TABLE "public"."t" REPLICA IDENTITY DEFAULT;`, "", byPostgres),
	},
	{
		name: "a partition without a key", schema: parted + `alter table t_low replica identity full; create publication rows for table t with (publish_via_partition_root = true)`,
		want: aboutT(Problem, "identity_missing", "UPDATE and DELETE of its partition public.t_high fail").
			with(`ALTER TABLE "public"."t" REPLICA IDENTITY FULL; ALTER TABLE public.t_high REPLICA IDENTITY FULL; ALTER TABLE public.t_low REPLICA IDENTITY FULL;`, fullOf, byPostgres).advising("a primary key is better"),
	},
	{
		name: "a list without the key", schema: keyed + `create publication rows for table t (note)`, from: 15,
		want: aboutT(Problem, "identity_not_listed", `publication "rows" leaves out id of its replica identity`).
			with(`BEGIN; ALTER PUBLICATION "rows" DROP TABLE ONLY public.t; ALTER PUBLICATION "rows" ADD TABLE ONLY public.t ("note", "id"); COMMIT;`, "clients then get these columns too", toTable[:9]),
	},
	{
		name: "a list without the key, and a filter of rows", schema: keyed + `create publication rows for table t (note) where (id > 0)`, from: 15,
		want: aboutT(Problem, "identity_not_listed", `publication "rows" leaves out id of its replica identity`).
			with(`BEGIN; ALTER PUBLICATION "rows" DROP TABLE ONLY public.t; ALTER PUBLICATION "rows" ADD TABLE ONLY public.t ("note", "id") WHERE ((id > 0)); COMMIT;`, "clients then get these columns too", toTable[:9]),
	},
	{
		name: "a filter of rows beside the key", schema: keyed + `create publication rows for table t where (note <> 'x')`, from: 15,
		want: aboutT(Problem, "identity_not_filtered", `the row filter of publication "rows" reads note, which the replica identity has not`).with(`ALTER TABLE "public"."t" REPLICA IDENTITY FULL;`, fullOf, byPostgres),
	},
	{
		name:   "a full identity with a generated column",
		schema: keyed + `alter table t add twice int generated always as (id * 2) stored; alter table t replica identity full; ` + onRows, from: 18,
		want: aboutT(Problem, "identity_generated", "has the generated columns twice, which are not published").
			with(`ALTER PUBLICATION "rows" SET (publish_generated_columns = stored);`, "it concerns all tables of the publication", byPostgres[:0]),
	},
	{
		name:   "a full identity with a virtual column",
		schema: keyed + `alter table t add twice int generated always as (id * 2) virtual; alter table t replica identity full; ` + onRows, from: 18,
		want: aboutT(Problem, "identity_generated", "twice").with(`ALTER TABLE "public"."t" REPLICA IDENTITY DEFAULT;`, "old rows then have the key alone", byPostgres),
	},
	{
		name:   "a full identity that 18 refuses",
		schema: keyed + `alter table t add twice int generated always as (id * 2) stored; alter table t replica identity full; ` + onRows, until: 17,
		want: aboutT(Warning, "identity_generated", "which Postgres 18 refuses").with(`ALTER TABLE "public"."t" REPLICA IDENTITY DEFAULT;`, "old rows then have the key alone", byPostgres),
	},
	{
		name:   "a full identity that 18 refuses, and a filter of rows that reads it",
		schema: keyed + `alter table t add twice int generated always as (id * 2) stored; alter table t replica identity full; create publication rows for table t where (note <> 'x')`, from: 15, until: 17,
		want: aboutT(Warning, "identity_generated", "which Postgres 18 refuses").advising("make the row filters of publications read the primary key alone, and then ALTER TABLE … REPLICA IDENTITY DEFAULT"),
	},
	{
		name:   "a full identity that 18 refuses, and a filter of rows of somebody else's publication",
		schema: keyed + `alter table t add twice int generated always as (id * 2) stored; alter table t replica identity full; create publication theirs for table t where (note <> 'x'); ` + onRows, from: 15, until: 17,
		want: aboutT(Warning, "identity_generated", "which Postgres 18 refuses").advising("make the row filters of publications read the primary key alone"),
	},
	{
		name: "a partition with a full identity that 18 refuses",
		schema: `create table t (id int primary key, note text, twice int generated always as (id * 2) stored) partition by range (id); grant select on t to anon, authenticated;
			create table t_low partition of t for values from (0) to (10); create table t_high partition of t for values from (10) to (20); grant select on t_low, t_high to anon, authenticated;
			alter table t_high replica identity full; create publication rows for table t with (publish_via_partition_root = true)`, until: 17,
		want: aboutT(Warning, "identity_generated", "its partition public.t_high has REPLICA IDENTITY FULL and generated columns, which Postgres 18 refuses").
			with(`ALTER TABLE "public"."t_high" REPLICA IDENTITY DEFAULT;`, "old rows then have the key alone", byPostgres),
	},
	{
		name:   "a full identity that 18 refuses, a list of columns, and a filter of rows by the key",
		schema: keyed + `alter table t add twice int generated always as (id * 2) stored; alter table t replica identity full; create publication theirs for table t (id, note) where (id > 0); ` + onRows, from: 15, until: 17,
		want: aboutT(Warning, "identity_generated", "which Postgres 18 refuses").with(`ALTER TABLE "public"."t" REPLICA IDENTITY DEFAULT;`, "old rows then have the key alone", byPostgres),
	},
	{
		name:   "an identity of nothing, and a filter of rows that reads more than the key",
		schema: keyed + `alter table t replica identity nothing; create publication rows for table t where (note <> 'x')`, from: 15,
		want: aboutT(Problem, "identity_missing", "REPLICA IDENTITY NOTHING").with(`ALTER TABLE "public"."t" REPLICA IDENTITY FULL;`, fullOf, byPostgres),
	},
	{
		name: "different lists of columns", schema: keyed + onRows + `; create publication more for table t (id)`, from: 15,
		want: aboutT(Problem, "publication_lists", "the publications that walcast reads have different columns of it").advising(`make the lists of columns equal`),
	},
	{
		name: "a row filter that raises", schema: keyed + `insert into t values (0, 'x'); create publication rows for table t where (10 / id > 0)`, from: 15,
		want: aboutT(Problem, "publication_filter", `the row filter of publication "rows", WHERE ((10 / id) > 0), raises SQLSTATE 22012 for a row that it has`).advising(`ALTER PUBLICATION "rows" ADD TABLE "public"."t" WHERE (…)`),
	},
	{
		name: "no key with a full identity", schema: keyless + `alter table t replica identity full; ` + onRows,
		want: aboutT(Warning, "no_key", "has neither a primary key nor an index as replica identity, by which clients could tell its rows apart: a binding with snapshot or view is refused").advising("give the table a primary key"),
	},

	{name: "a table that is not published", schema: keyed + `create publication rows`, table: "t", want: aboutT(Problem, "not_published", "it is not published, so that no changes come of it").
		with(`ALTER PUBLICATION "rows" ADD TABLE "public"."t";`, "", "the owner")},
	{
		name: "an unlogged table", schema: `create unlogged table t (id int primary key, note text); grant select on t to anon; create publication rows`, table: "t",
		want: aboutT(Problem, "not_published", "it is not published").with(`ALTER TABLE "public"."t" SET LOGGED; ALTER PUBLICATION "rows" ADD TABLE "public"."t";`, "nobody can use the table while it is rewritten", "the owner"),
	},
	{name: "a view", schema: keyed + onRows + `; create view v as select * from t`, table: "v", want: Finding{Code: "not_a_table", Verdict: Problem, About: About{Table, "public.v"}, Reason: "it is no table"}},
	{name: "no such table", schema: keyed + onRows, table: "u", want: Finding{Code: "unknown_table", Verdict: Problem, About: About{Table, "public.u"}, Reason: "there is no such table"}},
	{
		name: "partitions that are published instead of their root", schema: strings.Replace(parted, "id int", "id int primary key", 1) + onRows, table: "t",
		want: aboutT(Problem, "not_published", "it is not published").with(`ALTER PUBLICATION "rows" SET (publish_via_partition_root = true);`, "whoever listens to a partition hears no more of it", "the owner"),
	},

	{
		name: "no grant", role: "anon", schema: `create table t (id int primary key, note text); grant select on t to authenticated; ` + onRows,
		want: aboutT(Problem, "not_granted", `role "anon" may not SELECT from "public"."t", so changes come without their rows (Error 401)`).
			with(`GRANT SELECT ON "public"."t" TO "anon";`, "whoever has the role can then read this wherever it connects", byPostgres),
	},
	{
		name: "no grant on the key", role: "anon", schema: `create table t (id int primary key, note text); grant select (note) on t to anon; grant select on t to authenticated; ` + onRows,
		want: aboutT(Problem, "key_not_granted", `role "anon" may not SELECT the key of "public"."t"`).with(`GRANT SELECT ("id") ON "public"."t" TO "anon";`, "whoever has the role", byPostgres),
	},
	{
		name: "no USAGE of the schema", role: "anon", schema: `create schema closed; create table closed.t (id int primary key, note text); grant select on closed.t to anon, authenticated; grant usage on schema closed to authenticated; create publication rows for table closed.t`,
		want: Finding{
			Code: "schema_not_granted", Verdict: Problem, About: About{Table, "closed.t"}, Reason: `role "anon" may not use schema "closed", which hides all rows of "closed"."t"`,
			Fix: `GRANT USAGE ON SCHEMA "closed" TO "anon";`, Cost: "as functions are at first", By: byPostgres,
		}, app: []string{`insert into closed.t values (1)`, `delete from closed.t`},
	},
	{
		name: "row-level security without a policy", role: "anon", schema: keyed + `alter table t enable row level security; create policy p on t to authenticated using (true); ` + onRows,
		want: aboutT(Problem, "no_policy", `row-level security of "public"."t" has no policy that lets role "anon" SELECT, so none of its rows come`).
			with(`CREATE POLICY "readable by anon" ON "public"."t" FOR SELECT TO "anon" USING (true);`, "everybody with the role sees every row", byPostgres),
	},
	{
		name: "a policy that nobody may judge", schema: keyless + `alter table t replica identity full; alter table t enable row level security; create schema lib; create table lib.u (id int); alter table lib.u enable row level security;
			grant select on lib.u to anon, authenticated; create policy p on t using (id in (select u.id from lib.u u)); grant usage on schema lib to authenticated; ` + onRows,
		want: aboutT(Problem, "policy_unjudged", `nobody can say which rows of "public"."t" role "anon" may see, so none of them come: its policies have names in schema lib`).
			with(`GRANT USAGE ON SCHEMA "lib" TO "anon";`, "as functions are at first", byPostgres),
	},
	{
		name: "a policy that reads another table", schema: keyed + `create table members (room int, usr uuid); grant select on members to anon, authenticated; alter table t enable row level security;
			create policy "own rooms" on t using (id in (select m.room from members m where m.usr = auth.uid() and m.room <> t.id)); ` + onRows,
		want: aboutT(Warning, "policy_asked", `which rows role "anon" may see is asked of Postgres, for each user and batch of changes: policy "own rooms" reads members`).advising("it works, and takes time"),
	},
	{
		name: "a policy that calls a function", schema: keyed + `create function may(room int) returns boolean language plpgsql stable as $$ begin return room > 1; end $$; alter table t enable row level security;
			create policy p on t using (may(id)); ` + onRows,
		want: aboutT(Warning, "policy_asked", `policy "p" calls may(integer)`).advising("it works"),
	},
	{
		name: "a policy of a comparison that only Postgres knows", schema: keyed + `alter table t enable row level security; create policy p on t using (id % 2 = 1); ` + onRows,
		want: aboutT(Warning, "policy_asked", `policy "p" compares in a way that only Postgres can decide`).advising("it works"),
	},

	{name: "no publication", schema: keyed, want: Finding{
		Code: "publication_missing", Verdict: Problem, About: About{Publication, "rows"}, Reason: "there is no such publication, so that no changes come",
		Fix: `CREATE PUBLICATION "rows";`, Cost: "it has no tables yet", By: "a role with CREATE", Advice: "or set create-publication",
	}},
	{name: "a publication without tables", schema: keyed + `create publication rows`, want: Finding{
		Code: "publication_empty", Verdict: Warning, About: About{Publication, "rows"}, Reason: "it has no tables",
		Advice: `as "postgres", or as the tables' owner: ALTER PUBLICATION "rows" ADD TABLE …;`,
	}},
	{
		name: "a publication of INSERT alone", schema: keyed + `create publication rows for table t with (publish = 'insert')`,
		want: Finding{
			Code: "event_not_published", Verdict: Warning, About: About{Publication, "rows"}, Reason: "it does not publish UPDATE, DELETE, TRUNCATE",
			Fix: `ALTER PUBLICATION "rows" SET (publish = 'insert, update, delete, truncate');`, Cost: "it concerns all tables of the publication", By: byPostgres,
		},
	},
	{
		name: "a publication that must not publish UPDATE", schema: keyless + `create publication rows for table t with (publish = 'insert')`,
		want: Finding{Code: "event_not_published", Verdict: Warning, About: About{Publication, "rows"}, Reason: "it does not publish", Advice: "1 tables of the publication have no primary key"},
	},
	{
		name: "clients may read what is not published", schema: keyed + `create table u (id int primary key); grant select on u to anon; ` + onRows,
		want: Finding{Code: "not_published", Verdict: OK, About: About{Table, "public.u"}, Reason: "clients may read it, and it is not published", Fix: `ALTER PUBLICATION "rows" ADD TABLE "public"."u";`, By: "the owner"},
	},
	{
		name: "a partitioned table under its own name", schema: strings.Replace(parted, "id int", "id int primary key", 1) + `create publication rows for table t with (publish_via_partition_root = true)`,
		want: Finding{Code: "publication_root", Verdict: OK, About: About{Publication, "rows"}, Reason: "partitioned tables have their changes under their own name, and TRUNCATE of a single partition is not told"},
	},
	{
		name: "partitions under theirs", schema: strings.Replace(parted, "id int", "id int primary key", 1) + onRows,
		want: Finding{Code: "partition", Verdict: OK, About: About{Table, "public.t_low"}, Reason: "it is a partition, and has its changes under its own name"},
	},
	{
		name: "a publication for all tables", schema: keyed + `create publication rows for all tables`,
		want: Finding{Code: "publication_all_tables", Verdict: OK, About: About{Publication, "rows"}, Reason: "UPDATE and DELETE will fail on every table that is made without a primary key"},
	},
	{
		name: "a publication for all tables, of which there are none", schema: `create publication rows for all tables`,
		want: Finding{Code: "publication_empty", Verdict: Warning, About: About{Publication, "rows"}, Reason: "it is for all tables, and there are none", Advice: "make tables"},
	},
	{
		name: "long values", schema: healthy,
		want: aboutT(OK, "unchanged_values", "an UPDATE leaves out long values that it has not changed, of note"),
	},
	{
		name: "filters on old rows", schema: healthy, app: writes,
		want: aboutT(OK, "replica_identity", "no DELETE matches a filter on another column").with(`ALTER TABLE "public"."t" REPLICA IDENTITY FULL;`, fullOf, byPostgres),
	},
	{
		name: "filters on old rows beside a list of columns", schema: keyed + `create publication rows for table t (id, note)`, from: 15,
		want: aboutT(OK, "replica_identity", "no DELETE matches a filter on another column").advising("REPLICA IDENTITY FULL would make every UPDATE of the table fail"),
	},
	{
		name: "a policy that is decided without Postgres", schema: keyed + `alter table t enable row level security; create policy p on t using (note = (auth.jwt() ->> 'sub')); ` + onRows,
		want: aboutT(OK, "join", `role "authenticated" gets the changes that row-level security lets it see, which walcast decides by itself`),
	},
	{
		name: "rights of a group that its member does not inherit", role: "anon", schema: `create table t (id int primary key, note text); do $$ begin create role readers_of_$db; end $$; grant select on t to readers_of_$db, authenticated; grant readers_of_$db to anon; ` + onRows,
		want: aboutT(Problem, "not_granted", `role "anon" may not SELECT from "public"."t"`).with(`GRANT SELECT ON "public"."t" TO "anon";`, "whoever has the role", byPostgres),
	},
	{
		name: "row_security is off for walcast's role", schema: healthy + `; alter role $role set row_security = off`,
		want: Finding{
			Code: "row_security", Verdict: Warning, About: About{Setting, "row_security"}, Reason: `row_security is off for sessions of role "$role": a query that policies would filter raises an error there`,
			Fix: `ALTER ROLE "$role" RESET row_security;`, By: superuser,
		},
	},
	{
		name: "row_security is off for the database", schema: healthy + `; alter database $db set row_security = off`,
		want: Finding{Code: "row_security", Verdict: Warning, About: About{Setting, "row_security"}, Reason: `sessions in database "$db"`, Fix: `ALTER DATABASE "$db" RESET row_security;`, By: superuser},
	},
	{
		name: "synchronous_commit is off for the database", schema: healthy + `; alter database $db set synchronous_commit = off`,
		want: Finding{
			Code: "synchronous_commit", Verdict: Warning, About: About{Setting, "synchronous_commit"}, Reason: `synchronous_commit is off for sessions in database "$db": their commits are told only when the WAL writer wakes`,
			Fix: `ALTER DATABASE "$db" RESET synchronous_commit;`, Cost: "each commit waits until it is on disk", By: superuser,
		},
	},
	{
		name: "synchronous_commit is off for a role in the database", schema: healthy + `; alter role $role in database $db set synchronous_commit = off`,
		want: Finding{
			Code: "synchronous_commit", Verdict: Warning, About: About{Setting, "synchronous_commit"}, Reason: `sessions of role "$role" in database "$db"`,
			Fix: `ALTER ROLE "$role" IN DATABASE "$db" RESET synchronous_commit;`, Cost: "each commit waits", By: superuser,
		},
	},
	{
		name: "settings of the database that change how values look", schema: healthy + `; alter database $db set datestyle = 'German'; alter role $role set timezone = 'Asia/Tokyo'`,
		want: Finding{Code: "output_settings", Verdict: OK, About: About{Setting, "datestyle, timezone"}, Reason: "walcast sets its own for its connections"},
	},
	{
		name: "walcast's role may not replicate", schema: healthy + `; alter role $role noreplication`,
		want: Finding{Code: "replication", Verdict: Problem, About: About{Role, "$role"}, Reason: "may not replicate", Fix: `ALTER ROLE "$role" WITH REPLICATION;`, Cost: "whoever has the role's password", By: superuser},
	},
	{
		name: "a role is set for walcast's", schema: healthy + `; alter role $role set role = 'anon'`,
		want: Finding{Code: "role_set", Verdict: Warning, About: About{Role, "$role"}, Reason: `role "anon" is set for sessions of role "$role"`, Fix: `ALTER ROLE "$role" RESET role;`, Cost: "other programs", By: superuser},
	},
	{
		name: "no heartbeat", schema: healthy + `; revoke execute on function pg_logical_emit_message(boolean, text, text), pg_logical_emit_message(boolean, text, bytea) from public`, until: 16,
		want: Finding{
			Code: "heartbeat", Verdict: Warning, About: About{Role, "$role"}, Reason: "it may not call pg_logical_emit_message",
			Fix: `GRANT EXECUTE ON FUNCTION pg_logical_emit_message(boolean, text, text), pg_logical_emit_message(boolean, text, bytea) TO "$role";`, Cost: "it may then write messages", By: superuser,
		},
	},
	{
		name: "no heartbeat on 17", schema: healthy + `; revoke execute on function pg_logical_emit_message(boolean, text, text, boolean), pg_logical_emit_message(boolean, text, bytea, boolean) from public`, from: 17,
		want: Finding{
			Code: "heartbeat", Verdict: Warning, About: About{Role, "$role"}, Reason: "it may not call pg_logical_emit_message",
			Fix: `GRANT EXECUTE ON FUNCTION pg_logical_emit_message(boolean, text, text, boolean), pg_logical_emit_message(boolean, text, bytea, boolean) TO "$role";`, Cost: "it may then write messages", By: superuser,
		},
	},
	{
		name: "walcast's role is no member", schema: healthy + `; revoke anon from $role`,
		want: Finding{Code: "unknown_role", Verdict: Problem, About: About{Role, "anon"}, Reason: `walcast cannot act as it: permission denied to set role "anon"`, Fix: `GRANT "anon" TO "$role";`, Cost: "walcast's role has the rights of that role then", By: superuser},
	},
	{
		name: "a membership without the right to set the role", schema: healthy + `; grant anon to $role with set false`, from: 16,
		want: Finding{Code: "unknown_role", Verdict: Problem, About: About{Role, "anon"}, Reason: `walcast cannot act as it`, Fix: `GRANT "anon" TO "$role" WITH SET TRUE;`, Cost: "walcast's role has", By: superuser},
	},
	{
		name: "a membership without INHERIT", schema: healthy + `; alter role $role noinherit; revoke anon from $role; grant anon to $role`,
		want: Finding{Code: "membership", Verdict: OK, About: About{Role, "anon"}, Reason: "walcast's role may become it, and does not inherit its rights, which it need not"},
	},
}

// TestFailures examines each broken database. It runs the fix, after which the finding is
// gone and the application works; statements without a cost have to do no more than that.
func TestFailures(t *testing.T) {
	for _, c := range tableFailures {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			if c.from > l.major() || c.until != 0 && c.until < l.major() {
				return // this version has none of it
			}
			l.run(strings.ReplaceAll(c.schema, "$db", l.db.Name))
			l.config.Publications = []string{"rows"}
			if c.want.Code == "publication_lists" {
				l.config.Publications = append(l.config.Publications, "more")
			}
			l.mends(c)
		})
	}
}

// mends examines the database, runs the fix, and examines it again.
func (l *lab) mends(c failure) {
	l.Helper()
	var scope Scope
	if c.table != "" {
		scope.Tables = []catalog.TableName{{Schema: "public", Table: c.table}}
	}
	if c.role != "" {
		scope.Roles = []string{c.role}
	}
	l.want(l.within(scope), c.want)
	want := l.named(c.want)
	if want.Fix == "" || want.Verdict == OK && c.app == nil {
		return
	}
	l.run(want.Fix)
	after := l.within(scope)
	if slices.ContainsFunc(after.of(want.Code), func(f Finding) bool {
		return f.About == want.About && f.Verdict == want.Verdict && f.Fix == want.Fix
	}) {
		l.Errorf("after %s it still has %s:\n%s", want.Fix, want.Code, after)
	}
	if c.app == nil {
		c.app = writes
	}
	l.works(c.app)
}

// works runs what an application does, and takes it back.
func (l *lab) works(app []string) {
	l.Helper()
	conn, err := pgx.Connect(l.Context(), l.db.DSN)
	if err != nil {
		l.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, sql := range append([]string{"begin"}, app...) {
		if _, err := conn.Exec(l.Context(), sql); err != nil {
			l.Errorf("%s, after the fix: %v", sql, err)
			return
		}
	}
}

// TestWhatIsNotForEverybodyIsNoProblem where another role gets it, unless the role was asked
// for by name.
func TestWhatIsNotForEverybodyIsNoProblem(t *testing.T) {
	t.Parallel()
	l := newLab(t, `create table t (id int primary key, note text); grant select on t to authenticated; `+onRows)
	fix := `GRANT SELECT ON "public"."t" TO "anon";`
	l.want(l.examine(), aboutT(OK, "not_granted", "Another role gets its changes, so that this may be as it should").with(fix, "whoever has the role", byPostgres))
	l.want(l.within(Scope{Roles: []string{"anon", "authenticated"}}), aboutT(Problem, "not_granted", `role "anon" may not SELECT`).with(fix, "whoever has the role", byPostgres))
	l.run("revoke select on t from authenticated")
	l.want(l.examine(), aboutT(Problem, "not_granted", `role "anon" may not SELECT`).with(fix, "whoever has the role", byPostgres))
}
