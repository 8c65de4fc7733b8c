package fanout

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"walcast/diagnose"
	"walcast/internal/logtest"
	"walcast/policy"
	"walcast/protocol"
)

// secretTable has rows that only members may see.
const secretTable = `
	create table members (sub text); grant select on members to authenticated;
	insert into members values ('member');
	create table secrets (id int primary key, body text); grant select on secrets to authenticated;
	alter table secrets enable row level security;
	create policy members on secrets for select to authenticated
		using (exists (select from members where sub = current_setting('request.jwt.claims')::json ->> 'sub'))`

func TestAFilterIsNotAskedOfRowsThatTheSubjectMayNotSee(t *testing.T) {
	f := newIdleFixture(t, secretTable)
	asked := prometheus.NewRegistry()
	f.config.Operators = policy.NewOperators(f.db.Pool, asked)
	f.renew()
	f.Changes.Begin(firstHistory, f.LSN, "")
	f.run()
	secrets := f.Relation("secrets")
	attacker, member := newInbox(), newInbox()
	var guesses []string
	for digit := range 10 {
		guesses = append(guesses, fmt.Sprintf(`{"event":"*","schema":"public","table":"secrets","filter":"body=match.\"^the pin is %d(.+)(.+)(.+)(.+)(.+).*\\\\5\\\\4\\\\3\\\\2\\\\1\""}`, digit))
	}
	s := f.subscribe(attacker, ask{role: "authenticated", claims: `{"sub":"attacker"}`, bindings: strings.Join(guesses, ",")}, Start{})
	f.subscribe(member, ask{role: "authenticated", claims: `{"sub":"member"}`, bindings: `{"event":"*","schema":"public","table":"secrets"}`}, Start{})
	f.Commit(logtest.Insert(secrets, "1", "the pin is 7"+strings.Repeat("abcdefghij", 40)))
	member.wait(t, 1)
	f.waitLanes()
	f.waitSent(s)
	if got := attacker.wait(t, 0); len(got) > 0 {
		t.Errorf("the attacker was told %q", got)
	}
	if n := counted(t, asked, "walcast_policy_comparisons_total"); n != 0 {
		t.Errorf("Postgres was asked %v comparisons about rows that nobody who asks may see", n)
	}
}

func TestAFilterOnAColumnWithoutSelectNeverRuns(t *testing.T) {
	f := newIdleFixture(t, `create table partly (id int primary key, salary text, name text); grant select (id, name) on partly to anon`)
	asked := prometheus.NewRegistry()
	f.config.Operators = policy.NewOperators(f.db.Pool, asked)
	f.renew()
	f.Changes.Begin(firstHistory, f.LSN, "")
	f.run()
	rel, b, witness := f.Relation("partly"), newInbox(), newInbox()
	s := f.subscribe(b, ask{bindings: `{"event":"*","schema":"public","table":"partly","filter":"salary=match.(1)\\1"},
		{"event":"*","schema":"public","table":"partly","filter":"salary=eq.11"}`}, Start{})
	f.subscribe(witness, ask{bindings: `{"event":"*","schema":"public","table":"partly","filter":"name=match.(a)\\1"}`}, Start{})
	f.Commit(logtest.Insert(rel, "1", "11", "aa"))
	witness.wait(t, 1)
	f.waitSent(s)
	if got := b.wait(t, 0); len(got) > 0 {
		t.Errorf("came %q", got)
	}
	if n := counted(t, asked, "walcast_policy_comparisons_total"); n != 1 {
		t.Errorf("Postgres was asked %v comparisons; want the one about the name", n)
	}
}

// What a filter raises may quote the row or tell what exists: the client learns
// the SQLSTATE.
func TestAFilterThatRaisesIsToldWithoutItsText(t *testing.T) {
	f := newIdleFixture(t, `create table refs (id int primary key, at regclass); grant select on refs to anon`)
	f.config.Raised = diagnose.Raised
	f.renew()
	f.Changes.Begin(firstHistory, f.LSN, "")
	f.run()
	rel, b := f.Relation("refs"), newInbox()
	f.subscribe(b, ask{bindings: `{"event":"*","schema":"public","table":"refs","filter":"at=eq.pg_class"}`}, Start{})
	f.Commit(logtest.Insert(rel, "1", "payroll_secret"), logtest.Insert(rel, "2", "pg_class"))
	if diff := cmp.Diff([]string{"problem " + protocol.CodeFilterRaised, "row 2"}, b.wait(t, 2)); diff != "" {
		t.Errorf("delivered (-want +got):\n%s", diff)
	}
	if told := string(b.frames[0].Payload()); strings.Contains(told, "payroll") || !strings.Contains(told, "42P01") {
		t.Errorf("told %s; want the SQLSTATE and no name", told)
	}
}

// Filters that take Postgres too long are switched off, and hold up neither rows
// that are certain nor others that have to be asked about.
func TestFiltersThatTakeTooLongHoldUpNobody(t *testing.T) {
	f := newFixture(t, messagesTable)
	rel := f.Relation("messages")
	hostile, certain, asked := newInbox(), newInbox(), newInbox()
	var slow []string
	for i := range 18 {
		slow = append(slow, fmt.Sprintf(`{"event":"*","schema":"public","table":"messages","filter":"body=match.\"^%s(.+)(.+)(.+)(.+)(.+)(.+).*\\\\6\\\\5\\\\4\\\\3\\\\2\\\\1$\""}`, strings.Repeat("a", i)))
	}
	f.subscribe(hostile, ask{bindings: strings.Join(slow, ",") + `,{"event":"*","schema":"public","table":"messages","filter":"channel_id=eq.1"}`}, Start{})
	f.subscribe(certain, ask{bindings: everyRow}, Start{})
	f.subscribe(asked, ask{role: "authenticated", claims: "{}", bindings: `{"event":"*","schema":"public","table":"messages","filter":"body=match.^(a+)b\\1"}`}, Start{})
	body := strings.Repeat("a", 400) + "b" + strings.Repeat("a", 400)
	const n = 20
	for i := range n {
		f.Commit(logtest.Insert(rel, fmt.Sprint(i), "1", body))
	}
	certain.wait(t, n)
	if diff := cmp.Diff(rows(0, n), asked.wait(t, n)); diff != "" {
		t.Errorf("to who is asked about (-want +got):\n%s", diff)
	}
	if got := hostile.wait(t, 0); len(got) > 0 {
		t.Errorf("others had to wait for the slow filters: %q", got)
	}
	off := "problem " + protocol.CodeTooSlow
	f.until("slow filters are switched off", func() bool { return slices.Contains(hostile.wait(t, 0), off) })
}
