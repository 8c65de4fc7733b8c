package policy

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// lackingCase is policies of realtime.messages that authenticated has no right to evaluate.
type lackingCase struct {
	name, sql string
	logged    []string
	not       string // what is not logged
	cure      string // after which authenticated may use the topic
}

// lackingSQL is what the policies look at.
const lackingSQL = `create table members (); insert into members default values; revoke all on members from public, authenticated;
	create table journal (); alter table journal enable row level security; grant insert on journal to authenticated;
	create function allowed() returns bool language sql volatile as 'select true';
	create function looks() returns bool language plpgsql as 'begin return exists (select from members); end';
	create function notes() returns trigger language plpgsql as 'begin perform from members; return new; end';
	create function tries() returns bool language plpgsql as 'begin insert into journal default values; return true; end';
	create function refuses() returns bool language plpgsql as $$ begin raise 'the PIN is 4711' using errcode = '42501'; end $$`

// run asks three times, the last time when the log is due to say it again, and then after
// the cure. Each time ask puts as many questions to Postgres as times says.
func (c *lackingCase) run(t *testing.T, times float64, ask func(l *lab, s *Subject, topic Topic) (granted bool, err error)) {
	l := newLab(t, messagesSQL, today, lackingSQL, c.sql)
	log, at := l.logs(), time.Now()
	l.policy.now = func() time.Time { return at }
	s, topic := l.subject("authenticated", user1), Topic{Name: "room"}
	check := func(lines int) {
		t.Helper()
		if granted, err := ask(l, s, topic); granted || err != nil {
			t.Errorf("granted: %t, %v", granted, err)
		}
		if n := strings.Count(log.String(), "level=WARN"); n != lines {
			t.Errorf("%d lines are logged; want %d: %s", n, lines, log.String())
		}
	}
	check(1)
	for _, want := range c.logged {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q: %s", want, log.String())
		}
	}
	if strings.Contains(log.String(), c.not) {
		t.Errorf("the log has %q: %s", c.not, log.String())
	}
	check(1)
	at = at.Add(raisedAgain)
	check(2)
	if n := measured(t, l.metrics, "walcast_policy_raised_total"); n != 3*times {
		t.Errorf("%v refusals are counted; want all %v", n, 3*times)
	}
	l.Exec(c.cure)
	if granted, err := ask(l, s, topic); !granted || err != nil {
		t.Errorf("after %s: granted %t, %v", c.cure, granted, err)
	}
}

// TestPrivateTopicsTellTheLogWhichRightIsMissing has policies that the subject's role
// has no right to evaluate. Clients are only told that they may not use the topic.
func TestPrivateTopicsTellTheLogWhichRightIsMissing(t *testing.T) {
	const denied, raised = `lacks a right that the policies need" table=realtime.messages command=SELECT`, "policy raised"
	for _, c := range []lackingCase{
		{
			"table", "create policy read on realtime.messages for select using (exists (select from members))",
			[]string{denied, "sqlstate=42501", "permission denied for table members", "role=authenticated", `SELECT on a table`},
			raised, "grant select on members to authenticated",
		},
		{
			"function", "create policy read on realtime.messages for select using (allowed()); revoke execute on function allowed from public",
			[]string{denied, "sqlstate=42501", "permission denied for function allowed", "EXECUTE on a function"},
			raised, "grant execute on function allowed to authenticated",
		},
		{
			"table that a function reads", "create policy read on realtime.messages for select using (looks())",
			[]string{denied, "sqlstate=42501", "permission denied for table members"},
			raised, "grant select on members to authenticated",
		},
		{
			"messages itself", "create policy read on realtime.messages for select using (true); revoke select on realtime.messages from authenticated",
			[]string{denied, "sqlstate=42501", "permission denied for table messages"},
			raised, "grant select on realtime.messages to authenticated",
		},
		{
			"function that refuses by itself", "create policy read on realtime.messages for select using (refuses())",
			[]string{raised, "sqlstate=42501", "the PIN is 4711"},
			"cure", "drop policy read on realtime.messages; create policy read on realtime.messages for select using (true)",
		},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, 2, mayRead) })
	}
}

// mayRead asks in both ways. The error is one that clients should not be told.
func mayRead(l *lab, s *Subject, topic Topic) (granted bool, err error) {
	g, err := l.policy.MayRead(l.t.Context(), s, topic, true)
	all := l.policy.MayReadAll(l.t.Context(), []ReadCheck{{Subject: s, Topic: topic}})
	granted = g.ReadBroadcast && all[0].Grants.ReadBroadcast
	for _, told := range []error{err, all[0].Err} {
		if !granted && (!IsAnswer(told) || strings.Contains(told.Error(), "4711")) {
			return granted, fmt.Errorf("told %w", told)
		}
	}
	return granted, nil
}

// TestPrivateTopicsTellTheLogWhichRightWritingLacks has INSERT policies that the subject's
// role has no right to evaluate. Clients are told what they are told by a policy's no.
func TestPrivateTopicsTellTheLogWhichRightWritingLacks(t *testing.T) {
	const denied, raised = `lacks a right that the policies need" table=realtime.messages command=INSERT`, "policy raised"
	for _, c := range []lackingCase{
		{
			"table", "create policy write on realtime.messages for insert with check (exists (select from members))",
			[]string{denied, "sqlstate=42501", "permission denied for table members", "role=authenticated", "SELECT on a table"},
			raised, "grant select on members to authenticated",
		},
		{
			"function", "create policy write on realtime.messages for insert with check (allowed()); revoke execute on function allowed from public",
			[]string{denied, "permission denied for function allowed", "EXECUTE on a function"},
			raised, "grant execute on function allowed to authenticated",
		},
		{
			"schema", "create schema hr; create function hr.looks() returns bool language sql volatile as 'select true'; create function asks() returns bool language plpgsql as 'begin return hr.looks(); end'; create policy write on realtime.messages for insert with check (asks())",
			[]string{denied, "permission denied for schema hr", "USAGE on a schema"},
			raised, "grant usage on schema hr to authenticated",
		},
		{
			"messages itself", "create policy write on realtime.messages for insert with check (true); revoke insert on realtime.messages from authenticated",
			[]string{denied, "permission denied for table messages", "INSERT on realtime.messages"},
			raised, "grant insert on realtime.messages to authenticated",
		},
		{
			"table of a trigger", "create policy write on realtime.messages for insert with check (true); create trigger notes before insert on realtime.messages for each row execute function notes()",
			[]string{denied, "permission denied for table members"},
			raised, "grant select on members to authenticated",
		},
		{
			"function that refuses by itself", "create policy write on realtime.messages for insert with check (refuses())",
			[]string{raised, "sqlstate=42501", "the PIN is 4711"},
			"cure", "drop policy write on realtime.messages; create policy write on realtime.messages for insert with check (true)",
		},
		{
			"function that another policy refuses", "create policy write on realtime.messages for insert with check (tries())",
			[]string{raised, "sqlstate=42501", "row-level security policy for table"},
			"cure", "alter table journal disable row level security",
		},
	} {
		// Each is asked about for broadcasts, presence and storing.
		t.Run(c.name, func(t *testing.T) { c.run(t, 3, mayWrite) })
	}
}

// mayWrite asks about all kinds of messages, which have the same answer.
func mayWrite(l *lab, s *Subject, topic Topic) (granted bool, err error) {
	g, err := l.policy.MayWrite(l.t.Context(), s, topic)
	stores, err2 := l.policy.MayStore(l.t.Context(), s, topic)
	if granted = stores; g != (Grants{WriteBroadcast: granted, WritePresence: granted}) {
		return granted, fmt.Errorf("told %+v, and %t for what is stored", g, stores)
	}
	return granted, errors.Join(err, err2)
}
