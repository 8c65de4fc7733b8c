package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"walcast/filters"
)

func (l *lab) major() (version int) {
	l.t.Helper()
	if err := l.Pool.QueryRow(l.t.Context(), "select current_setting('server_version_num')::int / 10000").Scan(&version); err != nil {
		l.t.Fatal(err)
	}
	return version
}

// Tables without row-level security ask nothing of Postgres as the role: that
// the role may not be acted as must be known all the same.
func TestARoleThatWeMayNotBecomeSeesNothing(t *testing.T) {
	for _, policies := range []string{"alter table docs disable row level security", "create policy own on docs using (owner = auth.uid())", "create policy odd on docs using (id % 2 = 1)"} {
		l := newLab(t, docsSQL, policies)
		login, group := l.role("login", "login noinherit"), l.role("grp", "nologin")
		l.Exec(fmt.Sprintf("grant all on all tables in schema public to %s, %s; grant usage on schema public to %[1]s", login, group))
		rel := l.relation("docs")
		changes := inserts(rel, l.rows(rel, ""))
		l.policy.pool = l.loginPool(login)
		s := l.subject(group, user1)
		refused := func(cure string) {
			t.Helper()
			var role *RoleError
			_, err := l.policy.View(t.Context(), rel, s)
			if !errors.As(err, &role) || !errors.Is(err, ErrUnknownRole) || err.Error() != `permission denied to set role "`+group+`"` || role.Cure() != cure {
				t.Errorf("View: %v (%+v); want it to name %s", err, role, cure)
			}
			if seen, errs, err := l.policy.Visible(t.Context(), s, changes); err != nil || slices.Contains(seen, true) {
				t.Errorf("Visible = %v, %v, %v", seen, errs, err)
			}
			if v := l.policy.Verdict(&View{Relation: rel}, s); v != Ask {
				t.Errorf("verdict %v of a role that we may not become", v)
			}
		}
		refused(fmt.Sprintf(`GRANT "%s" TO "%s";`, group, login))
		if l.major() >= 16 {
			l.Exec(fmt.Sprintf("grant %s to %s with set false", group, login))
			rel = l.relation("docs")
			refused(fmt.Sprintf(`GRANT "%s" TO "%s" WITH SET TRUE;`, group, login))
			l.Exec(fmt.Sprintf("grant %s to %s with set true", group, login))
		}
		l.Exec(fmt.Sprintf("grant %s to %s", group, login))
		l.view(l.relation("docs"), s)
	}
}

// TestARoleSetForOurUserIsNotTakenForIt: what our user may become is decided by who has
// logged in, and what a policy's text needs by the role that is set for it.
func TestARoleSetForOurUserIsNotTakenForIt(t *testing.T) {
	l := newLab(t, docsSQL, "alter table docs disable row level security",
		`create schema lib; create function lib.yes() returns boolean language plpgsql stable as 'begin return true; end';
		create table loose (id int, note text); alter table loose enable row level security;
		create policy p on loose using (lib.yes()); grant select on loose to anon`)
	login, set, group := l.role("login", "login"), l.role("set", "nologin"), l.role("grp", "nologin")
	l.Exec(fmt.Sprintf("grant all on all tables in schema public to %s; grant %s, anon to %s; alter role %[3]s set role = %[2]s", group, set, login))
	l.policy.pool = l.loginPool(login)

	var refused *RoleError
	cure := fmt.Sprintf(`GRANT "%s" TO "%s";`, group, login)
	if _, err := l.policy.View(t.Context(), l.relation("docs"), l.subject(group, user1)); !errors.As(err, &refused) || refused.Cure() != cure {
		t.Errorf("View: %v (%+v); want the cure %s", err, refused, cure)
	}
	l.Exec(cure)
	l.view(l.relation("docs"), l.subject(group, user1))

	rel, s := l.relation("loose"), l.subject("anon", user1)
	var ask *AskError
	cure = fmt.Sprintf(`GRANT USAGE ON SCHEMA "lib" TO "%s";`, set)
	if err := l.policy.Unjudged(l.view(rel, s), s); !errors.As(err, &ask) || ask.Cure() != cure {
		t.Errorf("Unjudged: %v (%+v); want the cure %s", err, ask, cure)
	}
	l.Exec(cure)
	rel = l.relation("loose")
	if err := l.policy.Unjudged(l.view(rel, s), s); err != nil {
		t.Errorf("Unjudged after %s: %v", cure, err)
	}
}

func TestTextsThatPostgresCannotHaveAreTheirOwnAnswers(t *testing.T) {
	l := newLab(t, docsSQL, messagesSQL, today, topicPolicies, "create policy odd on docs using (id % 2 = 1)")
	rel, fine := l.relation("docs"), l.subject("authenticated", user1)
	changes := inserts(rel, l.rows(rel, "order by id"))
	l.ask(rel, fine)
	for _, s := range []*Subject{l.subject("an\x00on", "{}"), l.subject("anon\n", "{}"), l.subject("\xff", "{}"), l.subject("anon", "{\"a\":\"\xff\"}"), l.subject("anon", "\x00")} {
		inquiries := []*Inquiry{{Subject: s, Changes: changes}, {Subject: fine, Changes: changes}}
		if _, err := l.policy.VisibleAll(t.Context(), inquiries); err != nil || slices.Contains(inquiries[0].Visible, true) || !inquiries[1].Visible[0] {
			t.Errorf("%q: %v, %v, %v", s.Role, inquiries[0].Visible, inquiries[1].Visible, err)
		}
		if _, err := l.policy.View(t.Context(), rel, s); !errors.Is(err, ErrUnknownRole) {
			t.Errorf("View as %q: %v", s.Role, err)
		}
	}
	var asked *AskError
	for _, topic := range []Topic{{Name: "a\x00"}, {Name: "a\nb"}, {Name: "\xff"}, {Name: "a", Headers: []byte("\x00")}} {
		_, err := l.policy.MayRead(t.Context(), fine, topic, true)
		_, err2 := l.policy.MayWrite(t.Context(), fine, topic)
		if !errors.As(err, &asked) || !errors.As(err2, &asked) || asked.SQLState != codeNotInRepertoire {
			t.Errorf("topic %q: %v, %v", topic.Name, err, err2)
		}
	}
	answers, err := NewOperators(l.Pool, nil).Ask(t.Context(), fine, []filters.Call{
		{Schema: "pg_catalog", Type: "text", Literal: strings.Repeat("\x00", 3)}, {Schema: "pg_catalog", Type: "text", Literal: "tab\t"},
	})
	if err != nil || answers[0].Err == nil || answers[1].Text != "tab\t" {
		t.Errorf("Ask = %+v, %v", answers, err)
	}
}
