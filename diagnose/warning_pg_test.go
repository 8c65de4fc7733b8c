package diagnose

import (
	"testing"

	"walcast/protocol"
)

// TestPoliciesThatNobodyCanJudgeAreTold: without it a client waits for rows that
// never come.
func TestPoliciesThatNobodyCanJudgeAreTold(t *testing.T) {
	l := newLab(t, `create table gen (id int, a int, twice int generated always as (a * 2) stored); alter table gen enable row level security;
		create policy even on gen using (twice > 10); grant select on gen to anon; alter table gen replica identity full`,
		`create publication rows for table gen`)
	binding := `{"event":"INSERT","schema":"public","table":"gen"}`
	want := protocol.Problem{
		Message: `warning: nobody can say which rows of "public"."gen" role "anon" may see, so none of them come: ` +
			`its policies read twice, which is not published, and it has no primary key by which its rows could be looked up`,
		Code: "policy_unjudged", Cost: unjudgedCure,
	}
	found := l.check("anon", binding)
	if found.Refused != nil || len(found.Warnings) != 1 || found.Warnings[0] != want {
		t.Errorf("found %+v; want the warning %+v", found, want)
	}
	l.db.Exec(`alter table gen add primary key (id)`)
	l.wantProblem("anon", binding, protocol.Problem{})
}

// TestPoliciesThatNobodyMayReadSayWhichGrantIsMissing: in a schema that only the
// owner may use, a policy calls a helper that the role of clients may not name.
func TestPoliciesThatNobodyMayReadSayWhichGrantIsMissing(t *testing.T) {
	l := newLab(t, `create schema lib;
		create table lib.others (id int primary key); alter table lib.others enable row level security;
		create table loose (id int, note text); alter table loose enable row level security; alter table loose replica identity full;
		create policy p on loose using (exists (select from lib.others o where o.id = loose.id)); grant select on loose, lib.others to anon`,
		`create publication rows for table loose`)
	binding := `{"event":"INSERT","schema":"public","table":"loose"}`
	const fix = `GRANT USAGE ON SCHEMA "lib" TO "anon";`
	l.wantProblem("anon", binding, protocol.Problem{
		Message: `warning: nobody can say which rows of "public"."loose" role "anon" may see, so none of them come: ` +
			`its policies have names in schema lib, which the role has no USAGE on, and it has no primary key by which its rows could be looked up. To see them: ` + fix,
		Code: "policy_unjudged", Fix: fix, Cost: costOfUsage,
	})
	l.db.Exec(fix)
	l.wantProblem("anon", binding, protocol.Problem{})
}
