package doctor

import (
	"testing"
)

// TestARoleThatIsNotThereIsCuredInTwoSteps: it is made, and then walcast may become it.
func TestARoleThatIsNotThereIsCuredInTwoSteps(t *testing.T) {
	l := newServer(t, nil, healthy)
	scope := Scope{Roles: []string{"member"}}
	for _, fix := range []string{`CREATE ROLE "member" NOLOGIN;`, `GRANT "member" TO "$role";`} {
		want := Finding{Code: "unknown_role", Verdict: Problem, About: About{Role, "member"}, Reason: "walcast cannot act as it", Fix: fix, By: superuser}
		l.want(l.within(scope), want)
		l.run(fix)
	}
	r := l.within(scope)
	l.want(r, Finding{Code: "membership", Verdict: OK, About: About{Role, "member"}, Reason: "walcast's role may become it"})
	l.want(r, aboutT(Problem, "not_granted", `role "member" may not SELECT`).with(`GRANT SELECT ON "public"."t" TO "member";`, "whoever has the role", byPostgres))
}

// TestRolesOfOtherNamesAreFound where those of Supabase are not there.
func TestRolesOfOtherNamesAreFound(t *testing.T) {
	l := newServer(t, nil, healthy, "drop owned by anon, authenticated, service_role cascade; drop role anon; drop role authenticated; drop role service_role")
	l.want(l.examine(), Finding{Code: "unknown_role", Verdict: Problem, About: About{Role, "anon"}, Reason: `role "anon" does not exist`, Fix: `CREATE ROLE "anon" NOLOGIN;`, Cost: "tokens that name the role", By: superuser})
	l.run("create role app_user; grant app_user to $role; grant select on t to app_user")
	r := l.examine()
	l.want(r, Finding{Code: "membership", Verdict: OK, About: About{Role, "app_user"}, Reason: "walcast's role may become it"})
	l.want(r, aboutT(OK, "join", `role "app_user" gets the changes of all its rows`))
	if len(r.of("unknown_role")) > 0 {
		t.Errorf("it still asks for other roles: %s", r)
	}
}
