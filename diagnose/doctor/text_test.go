package doctor

import (
	"strings"
	"testing"
)

// report has a finding of each verdict, one of them about a table whose name is to end a
// comment and to be acted on by a terminal.
var report = Report{Database: "app", Version: "17.6", Platform: "Neon", Findings: []Finding{
	fine("wal_level", Setting, "wal_level", "wal_level is logical"),
	warning("no_key", Table, "public.a", "it has no key").advised("give it one"),
	problem("schema_not_granted", Table, "closed.t", "role \"anon\" may not use the schema").cured("GRANT USAGE ON SCHEMA \"closed\" TO \"anon\";", "", "\"owner\""),
	problem("schema_not_granted", Table, "closed.u", "role \"anon\" may not use the schema").cured("GRANT USAGE ON SCHEMA \"closed\" TO \"anon\";", "", "\"owner\""),
	problem("not_granted", Table, "public.x\n; drop table y; --\x1b[2J", "role \"anon\" may not read x\n; drop table y; --").cured("GRANT SELECT ON \"x\n; drop table y; --\" TO \"anon\";", "", "\"owner\""),
	{Code: "max_wal_senders", Verdict: Problem, About: About{Setting, "max_wal_senders"}, Reason: "all are in use", Fix: "ALTER SYSTEM SET max_wal_senders = '6';", Cost: "memory", By: superuser, Restart: true},
}}

func TestTextIsForPeople(t *testing.T) {
	var b strings.Builder
	if err := report.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	const want = `database app, Postgres 17.6, Neon

problems
  table closed.t: role "anon" may not use the schema [schema_not_granted]
    fix:  GRANT USAGE ON SCHEMA "closed" TO "anon";
    as:   "owner"
  table closed.u: role "anon" may not use the schema [schema_not_granted]
    fix:  GRANT USAGE ON SCHEMA "closed" TO "anon";
    as:   "owner"
  table public.x ; drop table y; -- [2J: role "anon" may not read x ; drop table y; -- [not_granted]
    fix:  GRANT SELECT ON "x ; drop table y; --" TO "anon";
    as:   "owner"
  setting max_wal_senders: all are in use [max_wal_senders]
    fix:  ALTER SYSTEM SET max_wal_senders = '6';
    as:   a superuser
    cost: memory
    then: it takes a restart of Postgres

warnings
  table public.a: it has no key [no_key]
    do:   give it one

ok
  setting wal_level: wal_level is logical [wal_level]

4 problems, 1 warnings, 1 ok
`
	if b.String() != want {
		t.Errorf("it is\n%s\nwant\n%s", b.String(), want)
	}
}

// TestAScriptRunsOnlyWhatMendsAndNoMore: statements that cost something, and whatever has
// line ends in its names, are comments.
func TestAScriptRunsOnlyWhatMendsAndNoMore(t *testing.T) {
	var b strings.Builder
	if err := report.WriteScript(&b); err != nil {
		t.Fatal(err)
	}
	const want = `-- What walcast doctor found in database app. Nothing of it was run.
-- Statements that do more than mend are commented out: read what they cost, then take the dashes away.

-- problem: table closed.t: role "anon" may not use the schema
-- run it as: "owner"
GRANT USAGE ON SCHEMA "closed" TO "anon";

-- problem: table closed.u: role "anon" may not use the schema
-- run it as: "owner"
-- (the statement is above)

-- problem: table public.x ; drop table y; -- [2J: role "anon" may not read x ; drop table y; --
-- run it as: "owner"
-- GRANT SELECT ON "x ; drop table y; --" TO "anon";

-- problem: setting max_wal_senders: all are in use
-- run it as: a superuser
-- it costs: memory
-- then restart Postgres
-- ALTER SYSTEM SET max_wal_senders = '6';

-- warning: table public.a: it has no key
-- do: give it one
`
	if b.String() != want {
		t.Errorf("it is\n%s\nwant\n%s", b.String(), want)
	}
}
