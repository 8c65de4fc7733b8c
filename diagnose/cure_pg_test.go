package diagnose

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"walcast/protocol"
	"walcast/replication/catalog"
)

// shaped is a database of an application, what it does there, and a binding that
// does not work.
type shaped struct {
	name    string
	schema  string
	app     []string // statements that work before
	binding string
	code    string
	cost    string // part of what stands beside the fix, or instead of it; "" for nothing
	unfixed bool   // there is no fix that the application would survive
	harm    string // a fix that is withheld, and would fail or break the application
	lists   bool   // the server has to know lists of columns and publications of schemas
	// generated says that the server has to be one that refuses generated columns in a
	// replica identity. On others the fix does no harm.
	generated bool
}

const (
	keyed   = `create table t (id int primary key, note text); grant select on t to anon; `
	keyless = `create table t (id int, note text); grant select on t to anon; `
	parted  = `create table t (id int, note text) partition by range (id); grant select on t to anon;
		create table t_low partition of t for values from (0) to (10); create table t_high partition of t for values from (10) to (20); grant select on t_low, t_high to anon; `
	partedByKey = `create table t (id int primary key, note text) partition by range (id); grant select on t to anon;
		create table t_low partition of t for values from (0) to (10); create table t_high partition of t for values from (10) to (20); grant select on t_low, t_high to anon; `
	onT      = `{"event":"*","schema":"public","table":"t"}`
	onLeaf   = `{"event":"*","schema":"public","table":"t_low"}`
	filtered = `{"event":"DELETE","schema":"public","table":"t","filter":"note=eq.x"}`
)

// writes are what applications do to t.
var writes = []string{`insert into t (id, note) values (1, 'a'), (11, 'b')`, `update t set note = 'c' where id = 1`, `update t set id = 2 where id = 1`, `delete from t where id > 0`}

var shapes = []shaped{
	{name: "a table with a key", schema: keyed + `create publication rows`, app: writes, binding: onT, code: "not_published"},
	{name: "a table without a key", schema: keyless + `create publication rows`, app: writes, binding: onT, code: "not_published", cost: costOfFull},
	{name: "a table without a key, and inserts alone", schema: keyless + `create publication rows with (publish = 'insert')`, app: writes, binding: onT, code: "not_published"},
	{
		name: "a deferrable key", schema: `create table t (id int primary key deferrable, note text); grant select on t to anon; create publication rows`,
		app: writes, binding: onT, code: "not_published", cost: costOfFull,
	},
	{name: "an identity of nothing", schema: keyed + `alter table t replica identity nothing; create publication rows`, app: writes, binding: onT, code: "not_published", cost: costOfFull},
	{
		name: "a table that another one without a key inherits from", schema: keyed + `create table heir () inherits (t); insert into heir values (3, 'd'); create publication rows`,
		app: append([]string{`update heir set note = 'e'`}, writes...), binding: onT, code: "not_published",
	},
	{
		name: "a table without a key that another one inherits from, and no publication", schema: keyless + `create table heir () inherits (t); insert into heir values (3, 'd')`,
		app: append([]string{`update heir set note = 'e'`}, writes...), binding: onT, code: "publication_missing", cost: costOfFull,
	},
	{name: "no publication", schema: keyless, app: writes, binding: onT, code: "publication_missing", cost: costOfFull + "; " + costOfNew},
	{name: "no publication and a partitioned table", schema: partedByKey, app: writes, binding: onT, code: "publication_missing", cost: costOfNew},
	{
		name: "an unlogged table", schema: `create unlogged table t (id int primary key, note text); grant select on t to anon; create publication rows`,
		app: writes, binding: onT, code: "not_published", cost: costOfLogged,
	},
	{
		name: "an unlogged table without a key", schema: `create unlogged table t (id int, note text); grant select on t to anon; create publication rows`,
		app: writes, binding: onT, code: "not_published", cost: costOfLogged + "; " + costOfFull,
	},
	{
		name: "an unlogged table and all tables", schema: `create unlogged table t (id int primary key, note text); grant select on t to anon; create publication rows for all tables`,
		app: writes, binding: onT, code: "not_published", cost: costOfLogged,
	},
	{
		name: "an unlogged table that refers to another", schema: `create unlogged table u (id int primary key); insert into u values (1), (2), (11);
			create unlogged table t (id int primary key references u, note text); grant select on t to anon; create publication rows`,
		app: writes, binding: onT, code: "not_published", cost: "refers to another unlogged table", unfixed: true,
	},
	{
		name: "an unlogged table that refers to itself", schema: `create unlogged table t (id int primary key, note text, parent int references t); grant select on t to anon; create publication rows`,
		app: writes, binding: onT, code: "not_published", cost: costOfLogged,
	},
	{
		name: "a table of Postgres itself", schema: keyed + `create publication rows`, app: writes,
		binding: `{"event":"*","schema":"pg_catalog","table":"pg_class"}`, code: "not_published", cost: "cannot be published", unfixed: true,
	},
	{name: "a partitioned table", schema: partedByKey + `create publication rows`, app: writes, binding: onT, code: "not_published", cost: costOfRoot},
	{name: "a partitioned table without a key", schema: parted + `create publication rows`, app: writes, binding: onT, code: "not_published", cost: costOfFull},
	{name: "partitions that are published instead", schema: partedByKey + `create publication rows for table t`, app: writes, binding: onT, code: "not_published", cost: costOfRoot},
	{name: "a partition that is published alone", schema: partedByKey + `create publication rows for table t_low`, app: writes, binding: onT, code: "not_published", cost: costOfRoot},
	{
		name: "a partitioned table whose schema is published", schema: partedByKey + `create publication rows for tables in schema public`, app: writes, binding: onT, code: "not_published",
		cost: costOfRoot, lists: true,
	},
	{
		name: "a root that is published instead", schema: partedByKey + `create publication rows for table t with (publish_via_partition_root = true)`,
		app: writes, binding: onLeaf, code: "not_published", cost: costOfLeaves,
	},
	{name: "a schema", schema: keyed + `create publication rows`, app: writes, binding: `{"event":"*","schema":"public","table":"*"}`, code: "not_published", cost: costOfSchema, lists: true},
	{
		name: "a schema with a table without a key", schema: keyless + `create publication rows`, app: writes,
		binding: `{"event":"*","schema":"public","table":"*"}`, code: "not_published", cost: "UPDATE and DELETE fail", unfixed: true, lists: true,
	},
	{
		name: "a schema and lists of columns", schema: keyed + `create schema other; create table other.u (id int primary key, note text); create publication rows for table other.u (id)`,
		app: writes, binding: `{"event":"*","schema":"public","table":"*"}`, code: "not_published", cost: "takes no schemas", unfixed: true, lists: true,
	},

	{
		name: "a schema with a root whose partitions are elsewhere and have no key",
		schema: `create schema other; create table t (id int, note text) partition by range (id); grant select on t to anon;
			create table other.low partition of t for values from (0) to (10); create table other.high partition of t for values from (10) to (20); create publication rows`,
		app: writes, binding: `{"event":"*","schema":"public","table":"*"}`, code: "not_published", cost: "UPDATE and DELETE fail", unfixed: true, harm: `alter publication rows add tables in schema public`, lists: true,
	},
	{
		name: "a partitioned table without a key that has a foreign partition",
		schema: parted + `create foreign data wrapper nothing; create server nowhere foreign data wrapper nothing;
			create foreign table t_far partition of t for values from (20) to (30) server nowhere; create publication rows`,
		app: []string{writes[0], writes[1], writes[2], `delete from t where id < 20`}, binding: onT, code: "not_published", cost: costOfFull,
	},
	{
		name: "a root with a row filter that is published instead", schema: partedByKey + `create publication rows for table t where (id > 0) with (publish_via_partition_root = true)`,
		app: writes, binding: onLeaf, code: "not_published", cost: "lists of columns or filters of rows", unfixed: true, harm: `alter publication rows set (publish_via_partition_root = false)`, lists: true,
	},
	{
		name: "a root with a list of columns that is published instead", schema: partedByKey + `create publication rows for table t (id, note) with (publish_via_partition_root = true)`,
		app: writes, binding: onLeaf, code: "not_published", cost: "lists of columns or filters of rows", unfixed: true, harm: `alter publication rows set (publish_via_partition_root = false)`, lists: true,
	},

	{name: "DELETE by a column", schema: keyed + `create publication rows for table t`, app: writes, binding: filtered, code: "replica_identity", cost: costOfFull},
	{
		name: "DELETE beside a list of columns", schema: keyed + `create publication rows for table t (id, note)`, app: writes, binding: filtered,
		code: "replica_identity", cost: "UPDATE of the table fail", unfixed: true, lists: true,
	},
	{
		name: "DELETE beside a list of columns of somebody else's publication", schema: keyed + `create publication rows for table t; create publication theirs for table t (id)`,
		app: writes, binding: filtered, code: "replica_identity", cost: `publication "theirs"`, unfixed: true, lists: true,
	},
	{
		name: "DELETE beside a row filter", schema: keyed + `create publication rows for table t where (id > 0)`, app: writes, binding: filtered,
		code: "replica_identity", cost: costOfFull, lists: true,
	},
	{
		name: "DELETE of a partitioned table", schema: partedByKey + `create publication rows for table t with (publish_via_partition_root = true)`,
		app: writes, binding: filtered, code: "replica_identity", cost: "partitions that are made later",
	},
	{
		name: "DELETE of a partitioned table whose root alone has a full identity", schema: partedByKey + `alter table t replica identity full; create publication rows for table t with (publish_via_partition_root = true)`,
		app: writes, binding: filtered, code: "replica_identity", cost: "partitions that are made later",
	},
	{
		name: "DELETE of a partitioned table of which one partition has a full identity", schema: partedByKey + `alter table t_low replica identity full; create publication rows for table t with (publish_via_partition_root = true)`,
		app: writes, binding: filtered, code: "replica_identity", cost: "partitions that are made later",
	},

	{name: "no grant", schema: `create table t (id int primary key, note text); create publication rows for table t`, app: writes, binding: onT, code: "not_granted", cost: costOfGrant},
	{
		name:   "no grant on the key",
		schema: `create table t (id int primary key, note text); grant select (note) on t to anon; create publication rows for table t`, app: writes, binding: onT, code: "key_not_granted", cost: costOfGrant,
	},
	{
		name:   "no grant on a column of the filter",
		schema: `create table t (id int primary key, note text); grant select (id) on t to anon; create publication rows for table t`, app: writes,
		binding: `{"event":"INSERT","schema":"public","table":"t","filter":"note=eq.x"}`, code: "column_not_granted", cost: costOfGrant,
	},
	{
		name:   "no way into the schema",
		schema: `create schema closed; create table closed.t (id int primary key, note text); grant select on closed.t to anon; create publication rows for table closed.t`,
		app:    []string{`insert into closed.t values (1)`, `update closed.t set id = 2`, `delete from closed.t`}, binding: `{"event":"*","schema":"closed","table":"t"}`, code: "schema_not_granted", cost: costOfUsage,
	},
	{
		name: "a policy that nobody may read",
		schema: keyless + `alter table t replica identity full; create publication rows for table t; alter table t enable row level security; create schema lib;
			create table lib.u (id int); alter table lib.u enable row level security; grant select on lib.u to anon; create policy p on t using (id in (select u.id from lib.u u))`,
		app: writes, binding: onT, code: "policy_unjudged", cost: costOfUsage,
	},
	{
		name: "UPDATE and a publication of INSERT", schema: keyed + `create publication rows for table t with (publish = 'insert')`, app: writes,
		binding: `{"event":"UPDATE","schema":"public","table":"t"}`, code: "event_not_published", cost: costOfEvents,
	},
	{
		name:   "a view, and UPDATE that another table would refuse",
		schema: keyed + `create table u (id int); insert into u values (1); create publication rows for table t, u with (publish = 'insert')`,
		app:    append([]string{`update u set id = 2`}, writes...), binding: `{"event":"*","schema":"public","table":"t","view":true}`,
		code: "event_not_published", cost: "have no primary key", unfixed: true,
	},
	{
		name: "TRUNCATE that is left out", schema: keyless + `create publication rows for table t with (publish = 'insert')`, app: writes,
		binding: `{"event":"TRUNCATE","schema":"public","table":"t"}`, code: "event_not_published", cost: costOfEvents,
	},
	{
		name: "DELETE that a table without a key would refuse", schema: keyless + `create publication rows for table t with (publish = 'insert')`, app: writes,
		binding: `{"event":"DELETE","schema":"public","table":"t"}`, code: "event_not_published", cost: "have no primary key", unfixed: true,
	},
	{
		name:   "UPDATE that partitions would refuse, whose root has an identity of its own",
		schema: parted + `alter table t replica identity full; create publication rows for table t with (publish = 'insert', publish_via_partition_root = true)`, app: writes,
		binding: `{"event":"UPDATE","schema":"public","table":"t"}`, code: "event_not_published", cost: "have no primary key", unfixed: true, harm: `alter publication rows set (publish = 'insert, update')`,
	},
	{
		name:   "UPDATE that a partition would refuse, which has no identity",
		schema: partedByKey + `alter table t_low replica identity nothing; create publication rows for table t with (publish = 'insert', publish_via_partition_root = true)`, app: writes,
		binding: `{"event":"UPDATE","schema":"public","table":"t"}`, code: "event_not_published", cost: "have no primary key", unfixed: true, harm: `alter publication rows set (publish = 'insert, update')`,
	},
	{
		name:   "UPDATE of partitions that have an identity, and their root has none",
		schema: parted + `alter table t_low replica identity full; alter table t_high replica identity full; create publication rows for table t with (publish = 'insert', publish_via_partition_root = true)`, app: writes,
		binding: `{"event":"UPDATE","schema":"public","table":"t"}`, code: "event_not_published", cost: costOfEvents,
	},
	{
		name:   "UPDATE that a list of columns would refuse",
		schema: keyed + `create publication rows for table t (note) with (publish = 'insert')`, app: writes,
		binding: `{"event":"UPDATE","schema":"public","table":"t"}`, code: "event_not_published", cost: "lists of columns", unfixed: true, lists: true,
	},
	{
		name: "a full identity with a generated column", schema: `create table t (id int, note text, twice int generated always as (id * 2) stored); grant select on t to anon;
			alter table t replica identity full; create publication rows`,
		app: writes, binding: onT, code: "not_published", cost: "generated columns", unfixed: true, generated: true,
	},
	{
		name: "a key on a generated column", schema: `create table t (id int, note text, twice int generated always as (id * 2) stored primary key); grant select on t to anon; create publication rows`,
		app: writes, binding: onT, code: "not_published", cost: "generated columns", unfixed: true, generated: true,
	},
	{
		name: "UPDATE that a generated column would refuse", schema: `create table t (id int, note text, twice int generated always as (id * 2) stored); grant select on t to anon;
			alter table t replica identity full; create publication rows for table t with (publish = 'insert')`,
		app: writes, binding: `{"event":"UPDATE","schema":"public","table":"t"}`, code: "event_not_published", cost: "have no primary key", unfixed: true, generated: true,
	},
	{
		name: "no policy", schema: keyed + `alter table t enable row level security; create publication rows for table t; create policy "readable" on t to authenticated using (true)`,
		app: writes, binding: onT, code: "no_policy", cost: costOfPolicy,
	},
}

// TestEveryFixHelpsAndBreaksNothing runs each fix in a transaction, and what the
// application does before and after it; then it runs the fix for good, after which
// nothing may be wrong.
func TestEveryFixHelpsAndBreaksNothing(t *testing.T) {
	for _, c := range shapes {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t)
			if c.lists && !l.lists() {
				return // 14 has none of it
			}
			if c.generated && !l.refusesGenerated() {
				return
			}
			l.db.Exec(c.schema)
			l.works(c.app, "")
			p, _ := problem(l.check("anon", c.binding))
			if p.Code != c.code || !strings.Contains(p.Cost, c.cost) || (c.cost == "") != (p.Cost == "") || (p.Fix == "") != c.unfixed {
				t.Fatalf("%s is told %+v; want code %s, a fix %t, cost %q", c.binding, p, c.code, !c.unfixed, c.cost)
			}
			if c.harm != "" && l.try(c.app, c.harm) == nil {
				t.Errorf("%s is withheld, and does no harm", c.harm)
			}
			if c.unfixed {
				return
			}
			l.works(c.app, p.Fix)
			l.db.Exec(p.Fix)
			if after, _ := problem(l.check("anon", c.binding)); after != (protocol.Problem{}) {
				t.Errorf("after %s: %+v; want nothing wrong", p.Fix, after)
			}
		})
	}
}

// TestAFilterOnDeleteIsWarnedOfByTheOldRowsOfPartitions: the identity of their root counts
// for nothing.
func TestAFilterOnDeleteIsWarnedOfByTheOldRowsOfPartitions(t *testing.T) {
	const never, some = "never matches the filter", "in some of its partitions only, as old rows of others do not have that column"
	l := newLab(t)
	l.db.Exec(partedByKey + `create publication rows for table t with (publish_via_partition_root = true)`)
	for _, c := range []struct{ alter, want string }{
		{"analyze t", never},
		{"alter table t replica identity full", never},
		{"alter table t_low replica identity full", some},
		{"alter table t_high replica identity full", ""},
		{"alter table t replica identity nothing", ""},
		{"create table t_end partition of t for values from (20) to (30)", some},
	} {
		l.db.Exec(c.alter)
		p, _ := problem(l.check("anon", filtered))
		if !strings.Contains(p.Message, c.want) || (p.Message == "") != (c.want == "") {
			t.Errorf("after %s a filter on DELETE is told %q; want %q", c.alter, p.Message, c.want)
		}
	}
}

// works runs a fix and what an application does, and takes all of it back.
func (l *lab) works(app []string, fix string) {
	l.Helper()
	if err := l.try(app, fix); err != nil {
		l.Errorf("after the fix %q: %v", fix, err)
	}
}

// try is works that returns what fails.
func (l *lab) try(app []string, fix string) error {
	l.Helper()
	conn, err := pgx.Connect(l.Context(), l.db.DSN)
	if err != nil {
		l.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, sql := range append([]string{"begin", fix}, app...) {
		if _, err := conn.Exec(l.Context(), sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// TestAFullIdentityBreaksUpdateWhereNoneIsGiven shows that the fix which is
// withheld would do harm. If it did none, it could be given.
func TestAFullIdentityBreaksUpdateWhereNoneIsGiven(t *testing.T) {
	l := newLab(t)
	if !l.lists() {
		return
	}
	l.db.Exec(keyed + `create publication rows for table t (id, note); insert into t values (1, 'a'); alter table t replica identity full`)
	if _, err := l.db.Pool.Exec(t.Context(), `update t set note = 'b'`); err == nil {
		t.Error("UPDATE works with a full identity beside a list of columns")
	}
	partitions := make([]string, 0, partitionsOne+1)
	for i := range partitionsOne + 1 {
		partitions = append(partitions, fmt.Sprintf("create table p%d partition of p for values from (%d) to (%d)", i, i, i+1))
	}
	l.db.Exec(`create table p (id int, note text) partition by range (id); grant select on p to anon; ` + strings.Join(partitions, "; "))
	found := l.check("anon", `{"event":"*","schema":"public","table":"p"}`)
	if found.Refused == nil || found.Refused.Fix != "" || !strings.Contains(found.Refused.Cost, "each of its 21 partitions") {
		t.Errorf("a table of 21 partitions without a key: %+v; want that each needs an identity", found.Refused)
	}
}

// TestAFixIsOfThePublicationThatHasTheTable, where several are read.
func TestAFixIsOfThePublicationThatHasTheTable(t *testing.T) {
	for binding, c := range map[string]struct{ schema, fix string }{
		onLeaf: {`create publication more for table t with (publish_via_partition_root = true)`, `ALTER PUBLICATION "more" SET (publish_via_partition_root = false);`},
		onT:    {`create publication more for table t`, `ALTER PUBLICATION "more" SET (publish_via_partition_root = true);`},
	} {
		l := newLab(t, partedByKey+`create publication rows; `+c.schema)
		l.checker.tables = newTableCache(catalog.New(l.db.Pool, []string{"rows", "more"}))
		if found := l.check("anon", binding); found.Refused == nil || found.Refused.Fix != c.fix {
			t.Errorf("%s is told %+v; want the fix %s", binding, found.Refused, c.fix)
		}
		l.db.Exec(c.fix)
		if found := l.check("anon", binding); found.Refused != nil {
			t.Errorf("%s, after %s, is told %+v", binding, c.fix, found.Refused)
		}
	}
}
