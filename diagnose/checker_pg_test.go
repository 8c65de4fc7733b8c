package diagnose

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"walcast/protocol"
	"walcast/replication/catalog"
	"walcast/replication/wal"
)

const tables = `
	create table plain (id int primary key, note text, secret text, js json);
	revoke all on plain from anon; grant select (id, note, js) on plain to anon;
	create table unlisted (id int primary key); grant select on unlisted to anon;
	create unlogged table unlogged (id int primary key); grant select on unlogged to anon;
	create view looked as select 1 as id; grant select on looked to anon;
	create table parts (id int primary key) partition by range (id); grant select on parts to anon;
	create table part1 partition of parts for values from (0) to (10); grant select on part1 to anon;
	create table ungranted (id int primary key, note text); revoke all on ungranted from anon;
	create table keyless_grant (id int primary key, note text); revoke all on keyless_grant from anon; grant select (note) on keyless_grant to anon;
	create table unpoliced (id int primary key); grant select on unpoliced to anon; alter table unpoliced enable row level security;
	create policy other on unpoliced for select to authenticated using (true);
	create schema closed; create table closed.t (id int primary key); grant select on closed.t to anon;
	alter table closed.t enable row level security; create policy all_rows on closed.t for select to anon using (true);
	create schema "Other Schema"; create table "Other Schema"."A ""Table""" (id int primary key);
	grant usage on schema "Other Schema" to anon; grant select on "Other Schema"."A ""Table""" to anon`

const publication = `create publication rows for table plain, parts, ungranted, keyless_grant, unpoliced, closed.t`

// sorry begins what upstream says of a binding that cannot work.
const (
	sorry     = "Unable to subscribe to changes with given parameters. "
	notThere  = sorry + "Please check Realtime is enabled for the given connect parameters: "
	exception = sorry + "An exception happened so please check your connect parameters: "
)

// unworkable are bindings of role anon that cannot work, or not as one may
// expect. Where there is SQL that cures it, it does.
var unworkable = []struct {
	name, binding      string
	message, code, fix string
}{
	{
		"unknown event", `{"event":"MERGE","schema":"public","table":"plain"}`,
		"Error parsing `event` params: expected *, INSERT, UPDATE, DELETE or TRUNCATE, got: \"MERGE\"", "invalid_binding", "",
	},
	{
		"no table", `{"event":"*","filter":"id=eq.1"}`,
		"No subscription params provided. Please provide at least a `schema` or `table` to subscribe to: " +
			`%{"event" => "*", "filter" => "id=eq.1"}`, "invalid_binding", "",
	},
	{
		"unknown schema", `{"event":"*","schema":"nowhere","table":"plain"}`,
		notThere + "[event: *, schema: nowhere, table: plain, filters: [], select: nil]", "unknown_schema", "",
	},
	{
		"unknown table", `{"event":"INSERT","schema":"public","table":"nothing","filter":"id=eq.1","select":["id"]}`,
		notThere + `[event: INSERT, schema: public, table: nothing, filters: [{"id", "eq", "1", false}], select: ["id"]]`, "unknown_table", "",
	},
	{
		"a view", `{"event":"*","schema":"public","table":"looked"}`,
		notThere + "[event: *, schema: public, table: looked, filters: [], select: nil]", "not_a_table", "",
	},
	{
		"table outside the publication", `{"event":"*","schema":"public","table":"unlisted"}`,
		notThere + "[event: *, schema: public, table: unlisted, filters: [], select: nil]",
		"not_published", `ALTER PUBLICATION "rows" ADD TABLE "public"."unlisted";`,
	},
	{
		"names that need quotes", `{"event":"*","schema":"Other Schema","table":"A \"Table\""}`,
		notThere + `[event: *, schema: Other Schema, table: A "Table", filters: [], select: nil]`,
		"not_published", `ALTER PUBLICATION "rows" ADD TABLE "Other Schema"."A ""Table""";`,
	},
	{
		"unlogged table", `{"event":"*","schema":"public","table":"unlogged"}`,
		notThere + "[event: *, schema: public, table: unlogged, filters: [], select: nil]",
		"not_published", `ALTER TABLE "public"."unlogged" SET LOGGED; ALTER PUBLICATION "rows" ADD TABLE "public"."unlogged";`,
	},
	{
		"partitioned table whose leaves are published", `{"event":"*","schema":"public","table":"parts"}`,
		notThere + "[event: *, schema: public, table: parts, filters: [], select: nil]",
		"not_published", `ALTER PUBLICATION "rows" SET (publish_via_partition_root = true);`,
	},
	{
		"partition of a root that is published", `{"event":"*","schema":"public","table":"part1"}`,
		notThere + "[event: *, schema: public, table: part1, filters: [], select: nil]",
		"not_published", `ALTER PUBLICATION "rows" SET (publish_via_partition_root = false);`,
	},
	{
		"unknown column in the filter", `{"event":"*","schema":"public","table":"plain","filter":"nope=not.in.(1,2)"}`,
		exception + `[event: *, schema: public, table: plain, filters: [{"nope", "in", "{1,2}", true}], select: nil]. ` +
			"Exception: ERROR P0001 (raise_exception) invalid column for filter nope", "unknown_column", "",
	},
	{
		"unknown column in select", `{"event":"*","schema":"public","table":"plain","select":["nope","id"]}`,
		exception + `[event: *, schema: public, table: plain, filters: [], select: ["id", "nope"]]. ` +
			"Exception: ERROR P0001 (raise_exception) invalid column for select nope", "unknown_column", "",
	},
	{
		"column without a grant in the filter", `{"event":"INSERT","schema":"public","table":"plain","filter":"secret=eq.x"}`,
		exception + `[event: INSERT, schema: public, table: plain, filters: [{"secret", "eq", "x", false}], select: nil]. ` +
			"Exception: ERROR P0001 (raise_exception) invalid column for filter secret",
		"column_not_granted", `GRANT SELECT ("secret") ON "public"."plain" TO "anon";`,
	},
	{
		"unknown operator", `{"event":"*","schema":"public","table":"plain","filter":"id=is_near.1"}`,
		"Error parsing `filter` params: [\"is_near\", \"1\"]", "unknown_operator", "",
	},
	{
		"no condition", `{"event":"*","schema":"public","table":"plain","filter":"id"}`,
		"Error parsing `filter` params: [\"id\"]", "invalid_filter", "",
	},
	{
		"an operator that the type lacks", `{"event":"*","schema":"public","table":"plain","filter":"js=eq.{}"}`,
		exception + `[event: *, schema: public, table: plain, filters: [{"js", "eq", "{}", false}], select: nil]. ` +
			"Exception: ERROR 42883 (undefined_function) operator does not exist: json = json", "unknown_operator", "",
	},
	{
		"unsuitable literal", `{"event":"*","schema":"public","table":"plain","filter":"id=eq.one"}`,
		exception + `[event: *, schema: public, table: plain, filters: [{"id", "eq", "one", false}], select: nil]. ` +
			`Exception: ERROR 22P02 (invalid_text_representation) invalid input syntax for type integer: "one"`, "invalid_value", "",
	},
	{
		"no grant", `{"event":"*","schema":"public","table":"ungranted"}`,
		`warning: role "anon" may not SELECT from "public"."ungranted", so changes come without their rows (Error 401). ` +
			`To get them: GRANT SELECT ON "public"."ungranted" TO "anon";`,
		"not_granted", `GRANT SELECT ON "public"."ungranted" TO "anon";`,
	},
	{
		"no grant on the key", `{"event":"*","schema":"public","table":"keyless_grant"}`,
		`warning: role "anon" may not SELECT the key of "public"."keyless_grant", so changes come without their rows (Error 401). ` +
			`To get them: GRANT SELECT ("id") ON "public"."keyless_grant" TO "anon";`,
		"key_not_granted", `GRANT SELECT ("id") ON "public"."keyless_grant" TO "anon";`,
	},
	{
		"no policy for the role", `{"event":"*","schema":"public","table":"unpoliced"}`,
		`warning: row-level security of "public"."unpoliced" has no policy that lets role "anon" SELECT, so none of its rows come. ` +
			`To show all of them: CREATE POLICY "readable by anon" ON "public"."unpoliced" FOR SELECT TO "anon" USING (true);`,
		"no_policy", `CREATE POLICY "readable by anon" ON "public"."unpoliced" FOR SELECT TO "anon" USING (true);`,
	},
	{
		"no way into the schema", `{"event":"*","schema":"closed","table":"t"}`,
		`warning: role "anon" may not use schema "closed", which hides all rows of "closed"."t". ` +
			`To see them: GRANT USAGE ON SCHEMA "closed" TO "anon";`,
		"schema_not_granted", `GRANT USAGE ON SCHEMA "closed" TO "anon";`,
	},
	{
		"replica identity too narrow for DELETE", `{"event":"DELETE","schema":"public","table":"plain","filter":"note=eq.x"}`,
		`warning: DELETE on "public"."plain" never matches the filter on "note", as the old row does not have that column. ` +
			`To get it: ALTER TABLE "public"."plain" REPLICA IDENTITY FULL;`,
		"replica_identity", `ALTER TABLE "public"."plain" REPLICA IDENTITY FULL;`,
	},
}

// withoutCost leaves out what another test looks at.
var withoutCost = cmpopts.IgnoreFields(protocol.Problem{}, "Cost")

// problem is what a finding tells, and whether the binding works nevertheless.
func problem(f Finding) (p protocol.Problem, works bool) {
	if f.Refused != nil {
		return *f.Refused, false
	}
	for _, w := range f.Warnings {
		return w, true
	}
	return p, true
}

func TestBindingsThatCannotWorkSayWhyAndWhatHelps(t *testing.T) {
	l := newLab(t, tables, publication)
	warnings := []string{"not_granted", "key_not_granted", "no_policy", "schema_not_granted", "replica_identity"}
	absences := []string{"unknown_schema", "unknown_table", "not_a_table", "not_published"}
	for _, c := range unworkable {
		t.Run(c.name, func(t *testing.T) {
			l := &lab{t, l.db, l.policy, l.checker}
			found := l.check("anon", c.binding)
			got, works := problem(found)
			if diff := cmp.Diff(protocol.Problem{Message: c.message, Code: c.code, Fix: c.fix}, got, withoutCost); diff != "" {
				t.Errorf("problem (-want +got):\n%s", diff)
			}
			if want := slices.Contains(warnings, c.code); works != want {
				t.Errorf("works = %t; want %t", works, want)
			}
			if want := slices.Contains(absences, c.code); found.Absent != nil != want {
				t.Errorf("absent = %v; want one: %t", found.Absent, want)
			}
			if c.fix == "" {
				return
			}
			l.db.Exec(c.fix)
			if diff := cmp.Diff(Finding{}, l.check("anon", c.binding), cmpopts.IgnoreFields(Finding{}, "Relations")); diff != "" {
				t.Errorf("after %s (-want +got):\n%s", c.fix, diff)
			}
		})
	}
}

// wantProblem checks a binding and compares what its client is told.
func (l *lab) wantProblem(role, binding string, want protocol.Problem) {
	l.Helper()
	got, _ := problem(l.check(role, binding))
	if diff := cmp.Diff(want, got, withoutCost); diff != "" {
		l.Errorf("problem of %s (-want +got):\n%s", binding, diff)
	}
}

func TestARoleThatIsNoneSaysSo(t *testing.T) {
	l := newLab(t, `create table plain (id int primary key); grant select on plain to public`, `create publication rows for table plain`)
	role, binding := l.db.Name+"_nobody", `{"event":"*","schema":"public","table":"plain"}`
	fix := fmt.Sprintf(`CREATE ROLE "%s" NOLOGIN;`, role)
	l.wantProblem(role, binding, protocol.Problem{
		Message: exception + "[event: *, schema: public, table: plain, filters: [], select: nil]. " +
			fmt.Sprintf(`Exception: ERROR 42704 (undefined_object) role "%s" does not exist`, role),
		Code: "unknown_role", Fix: fix, Cost: "tokens that name the role are let in then, with what it is granted, which is nothing at first",
	})
	l.db.Exec(fix)
	t.Cleanup(func() {
		if _, err := l.db.Pool.Exec(context.WithoutCancel(t.Context()), fmt.Sprintf("drop role %q", role)); err != nil {
			t.Errorf("drop role %s: %v", role, err)
		}
	})
	l.wantProblem(role, binding, protocol.Problem{})
}

// TestAColumnOutsideItsPublicationSaysSo: Postgres has such lists since 15.
func TestAColumnOutsideItsPublicationSaysSo(t *testing.T) {
	l := newLab(t, `create table plain (id int primary key, note text); grant select on plain to anon`)
	if !l.lists() {
		l.db.Exec(`create publication rows for table plain`)
		l.wantProblem("anon", `{"event":"INSERT","schema":"public","table":"plain","select":["id","note"],"filter":"note=eq.x"}`,
			protocol.Problem{})
		return
	}
	l.db.Exec(`create publication rows for table plain (id)`)
	l.wantProblem("anon", `{"event":"*","schema":"public","table":"plain","select":["id","note"]}`, protocol.Problem{
		Message: exception + `[event: *, schema: public, table: plain, filters: [], select: ["id", "note"]]. ` +
			"Exception: ERROR P0001 (raise_exception) invalid column for select note",
		Code: "column_not_published",
	})
	l.wantProblem("anon", `{"event":"*","schema":"public","table":"plain","filter":"note=eq.x"}`, protocol.Problem{
		Message: exception + `[event: *, schema: public, table: plain, filters: [{"note", "eq", "x", false}], select: nil]. ` +
			"Exception: ERROR P0001 (raise_exception) invalid column for filter note",
		Code: "column_not_published",
	})
}

func TestASelectedColumnWithoutAGrantSaysSo(t *testing.T) {
	l := newLab(t, tables, publication)
	binding := `{"event":"*","schema":"public","table":"plain","select":["id","secret"]}`
	fix := `GRANT SELECT ("secret") ON "public"."plain" TO "anon";`
	l.wantProblem("anon", binding, protocol.Problem{
		Message: exception + `[event: *, schema: public, table: plain, filters: [], select: ["id", "secret"]]. ` +
			"Exception: ERROR P0001 (raise_exception) invalid column for select secret",
		Code: "column_not_granted", Fix: fix,
	})
	l.db.Exec(fix)
	l.wantProblem("anon", binding, protocol.Problem{})
}

func TestASchemaWithoutAPublishedTableSaysSo(t *testing.T) {
	l := newLab(t, tables, `create publication rows`)
	l.wantProblem("anon", `{"event":"*","schema":"*","table":"*"}`, protocol.Problem{
		Message: notThere + "[event: *, schema: *, table: *, filters: [], select: nil]", Code: "not_published",
	})
	fix := ""
	if l.lists() { // Postgres has publications of schemas since 15
		fix = `ALTER PUBLICATION "rows" ADD TABLES IN SCHEMA "Other Schema";`
	}
	l.wantProblem("anon", `{"event":"*","schema":"Other Schema"}`, protocol.Problem{
		Message: notThere + "[event: *, schema: Other Schema, table: *, filters: [], select: nil]", Code: "not_published", Fix: fix,
	})
	if fix != "" {
		l.db.Exec(fix)
		l.wantProblem("anon", `{"event":"*","schema":"Other Schema"}`, protocol.Problem{})
	}
}

// TestWithoutAPublicationTheOneThatIsReadIsNamed, whatever the table is.
func TestWithoutAPublicationTheOneThatIsReadIsNamed(t *testing.T) {
	l := newLab(t, tables)
	for name, fix := range map[string]string{
		`"schema":"closed","table":"t"`: "", `"schema":"nowhere","table":"t"`: "", `"schema":"public","table":"nothing"`: "", `"schema":"*"`: "",
	} {
		p, _ := problem(l.check("anon", `{"event":"*",`+name+`}`))
		if p.Code != "publication_missing" || p.Fix != fix || p.Cost != `publication "rows" does not exist` {
			t.Errorf("%s: %+v; want publication_missing, fix %q", name, p, fix)
		}
	}
	l.wantProblem("anon", `{"event":"*","schema":"public","table":"unlisted"}`, protocol.Problem{
		Message: notThere + "[event: *, schema: public, table: unlisted, filters: [], select: nil]",
		Code:    "publication_missing", Fix: `CREATE PUBLICATION "rows" FOR TABLE "public"."unlisted";`, Cost: costOfNew,
	})
}

// TestWildcardsDoNotWarnOfWhatTheyLeaveOut: a binding for all tables is meant for
// those that its role may see.
func TestWildcardsDoNotWarnOfWhatTheyLeaveOut(t *testing.T) {
	l := newLab(t, tables, `create publication rows for all tables`)
	for _, binding := range []string{
		`{"event":"*","schema":"public"}`, `{"event":"*","schema":"*","table":"*"}`, `{"event":"*","schema":"*","table":"unpoliced"}`,
	} {
		l.wantProblem("anon", binding, protocol.Problem{})
	}
}

// TestOneBindingThatCannotWorkRefusesAll, as upstream has it; which
// one waits for a table is known.
func TestOneBindingThatCannotWorkRefusesAll(t *testing.T) {
	l := newLab(t, tables, publication)
	found := l.check("anon", `{"event":"*","schema":"public","table":"ungranted"},{"event":"*","schema":"public","table":"later"}`)
	if found.Refused == nil || found.Absent == nil || found.Absent.Spec.Table != "later" {
		t.Errorf("found %+v; want that later is absent", found)
	}
}

// TestAnswersAreBelievedForAMoment, but not about a name that Forget was called
// for.
func TestAnswersAreBelievedForAMoment(t *testing.T) {
	l := newLab(t, `create publication rows`)
	l.checker.believed = time.Hour
	binding := `{"event":"*","schema":"public","table":"later"}`
	l.check("anon", binding)
	l.db.Exec(`create table later (id int primary key); grant select on later to anon; alter publication rows add table later`)
	if found := l.check("anon", binding); found.Absent == nil {
		t.Errorf("found %+v; want what was so a moment ago", found)
	}
	names, err := l.checker.Published(t.Context())
	if diff := cmp.Diff([]catalog.TableName{{Schema: "public", Table: "later"}}, names); err != nil || diff != "" {
		t.Errorf("Published = %v, %v; want later only", names, err)
	}
	l.checker.Forget("public", "later")
	if found := l.check("anon", binding); found.Refused != nil {
		t.Errorf("found %+v after Forget; want nothing", found)
	}
}

func TestADatabaseThatDoesNotAnswerIsAnError(t *testing.T) {
	l := newLab(t, tables, publication)
	bindings, _ := l.parse(`{"event":"*","schema":"public","table":"plain"}`)
	s := l.policy.Subject("anon", `{"role":"anon"}`)
	defer l.policy.Release(s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if found, err := l.checker.Check(ctx, s, bindings); err == nil || found.Refused != nil {
		t.Errorf("Check = %+v, %v; want an error only", found, err)
	}
}

// TestARelationIsTheSameUntilItChanges: policy caches by it.
func TestARelationIsTheSameUntilItChanges(t *testing.T) {
	l := newLab(t, tables, publication)
	look := func() *wal.Relation {
		found, _, err := l.checker.tables.published(t.Context(), catalog.TableName{Schema: "public", Table: "plain"}, 0)
		if err != nil || len(found) != 1 {
			t.Fatalf("published = %v, %v; want one relation", found, err)
		}
		return found[0]
	}
	first := look()
	if look() != first {
		t.Error("another relation though nothing changed")
	}
	l.db.Exec(`alter table plain add more int`)
	if second := look(); second == first || second.Column("more") < 0 {
		t.Errorf("relation %v after ALTER TABLE; want the new one", second)
	}
}
