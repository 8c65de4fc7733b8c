package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"walcast/migrations"
)

// messagesSQL is as much of Supabase's realtime schema as the checks touch.
const messagesSQL = `
	create schema realtime; grant usage on schema realtime to anon, authenticated, service_role;
	create table realtime.messages (topic text not null, extension text not null, payload jsonb, event text, private boolean default false,
		updated_at timestamp not null default now(), inserted_at timestamp not null default now(), id uuid not null default gen_random_uuid(),
		primary key (id, inserted_at)) partition by range (inserted_at);
	alter table realtime.messages enable row level security;
	grant select, insert, update on realtime.messages to anon, authenticated, service_role;
	create function realtime.topic() returns text language sql stable as $$ select nullif(current_setting('realtime.topic', true), '')::text $$`

const today = `do $$ begin execute format('create table realtime.today partition of realtime.messages for values from (%L) to (%L)',
	(now() at time zone 'utc')::date - 1, (now() at time zone 'utc')::date + 2); end $$`

const topicPolicies = `
	create policy read on realtime.messages for select to authenticated using (
		(realtime.topic() like 'pv%' and (extension = 'broadcast' and realtime.topic() ~ '-br' or extension = 'presence' and realtime.topic() ~ '-pr'))
		or realtime.topic() = 'mine-' || auth.uid()::text
		or realtime.topic() = 'sub-' || current_setting('request.jwt.claim.sub', true)
		or realtime.topic() = 'role-' || current_setting('request.jwt.claim.role', true)
		or realtime.topic() = 'header-' || (current_setting('request.headers', true)::json ->> 'x-room')
		or realtime.topic() = 'column' and topic = 'column' and private is false and event is null and payload is null
		or realtime.topic() = 'boom' and 1 / length(realtime.topic()) = length(topic) / (length(topic) - 4));
	create policy write on realtime.messages for insert to authenticated with check (
		realtime.topic() like 'pv%' and (extension = 'broadcast' and realtime.topic() ~ '-bw' or extension = 'presence' and realtime.topic() ~ '-pw')
		or realtime.topic() = 'boom' and 1 / (length(topic) - 4) = 1)`

func TestPrivateTopics(t *testing.T) {
	l := newLab(t, messagesSQL, today, topicPolicies)
	for _, c := range []struct {
		topic, role string
		presence    bool
		want        Grants
	}{
		{"pv-br", "authenticated", true, Grants{ReadBroadcast: true}},
		{"pv-pr", "authenticated", true, Grants{ReadPresence: true}},
		{"pv-pr", "authenticated", false, Grants{}},
		{"pv-bw", "authenticated", true, Grants{WriteBroadcast: true}},
		{"pv-pw", "authenticated", true, Grants{WritePresence: true}},
		{"pv-br-bw-pr-pw", "authenticated", true, Grants{true, true, true, true}},
		{"pv-br-bw-pr-pw", "anon", true, Grants{}},
		{"anything", "service_role", true, Grants{true, true, true, true}},
		{"other", "authenticated", true, Grants{}},
		{"mine-00000000-0000-4000-8000-000000000001", "authenticated", true, Grants{ReadBroadcast: true, ReadPresence: true}},
		{"mine-00000000-0000-4000-8000-000000000002", "authenticated", true, Grants{}},
		{"sub-00000000-0000-4000-8000-000000000001", "authenticated", true, Grants{ReadBroadcast: true, ReadPresence: true}},
		{"role-authenticated", "authenticated", true, Grants{ReadBroadcast: true, ReadPresence: true}},
		{"header-blue", "authenticated", true, Grants{ReadBroadcast: true, ReadPresence: true}},
		{"column", "authenticated", true, Grants{ReadBroadcast: true, ReadPresence: true}},
	} {
		s, topic := l.subject(c.role, user1), Topic{Name: c.topic, Headers: json.RawMessage(`{"x-room":"blue"}`)}
		got, err := l.policy.MayRead(t.Context(), s, topic, c.presence)
		if err != nil {
			t.Fatalf("MayRead(%s): %v", c.topic, err)
		}
		write, err := l.policy.MayWrite(t.Context(), s, topic)
		if err != nil {
			t.Fatalf("MayWrite(%s): %v", c.topic, err)
		}
		got.WriteBroadcast, got.WritePresence = write.WriteBroadcast, write.WritePresence
		if got != c.want {
			t.Errorf("%s on %s: %+v; want %+v", c.role, c.topic, got, c.want)
		}
	}
	var left int
	if err := l.Pool.QueryRow(t.Context(), "select count(*) from realtime.messages").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d messages are left, %v", left, err)
	}
}

func TestPrivateTopicsThatCannotBeChecked(t *testing.T) {
	l := newLab(t)
	s, boom := l.subject("authenticated", user1), Topic{Name: "boom"}
	check := func(name string, s *Subject, want error) {
		t.Helper()
		_, err := l.policy.MayRead(t.Context(), s, boom, true)
		_, err2 := l.policy.MayWrite(t.Context(), s, boom)
		if !errors.Is(err, want) || !errors.Is(err2, want) {
			t.Errorf("%s: %v, %v; want %v", name, err, err2, want)
		}
	}
	check("no schema", s, ErrNoMessagesTable)
	if !strings.Contains(ErrNoMessagesTable.Error(), "walcast migrate") {
		t.Error("the error does not say what to run")
	}
	l.Exec("create schema realtime")
	check("no table", s, ErrNoMessagesTable)
	l.Exec("drop schema realtime")
	l.Exec(messagesSQL)
	l.Exec(topicPolicies)
	check("no partition", l.subject("service_role", "{}"), ErrMissingPartition)
	l.Exec(today)
	check("unknown role", l.subject("no_such_role", "{}"), ErrUnknownRole)
	check("no role", l.subject("none", "{}"), ErrUnknownRole)

	var ask *AskError
	if _, err := l.policy.MayRead(t.Context(), s, boom, true); !errors.As(err, &ask) || ask.SQLState != "22012" || ask.Table != "realtime.messages" {
		t.Errorf("read policy that raises: %v", err)
	}
	if _, err := l.policy.MayWrite(t.Context(), s, boom); !errors.As(err, &ask) || ask.SQLState != "22012" {
		t.Errorf("write policy that raises: %v", err)
	}

	l.Exec("create function missing() returns bool language plpgsql as 'begin return exists (select from nothing_here); end'")
	l.Exec("drop policy read on realtime.messages; create policy read on realtime.messages for select using (missing())")
	if _, err := l.policy.MayRead(t.Context(), s, boom, false); !errors.As(err, &ask) || ask.SQLState != "42P01" {
		t.Errorf("read policy on a table that is gone: %v", err)
	}
	l.policy.config.Timeout = 100 * time.Millisecond
	l.Exec("drop policy read on realtime.messages; create policy read on realtime.messages for select using (pg_sleep(60) is null)")
	if _, err := l.policy.MayRead(t.Context(), s, boom, false); !errors.As(err, &ask) || ask.SQLState != "57014" {
		t.Errorf("read policy that takes too long: %v", err)
	}
}

func TestPrivateTopicsNeedTheRightToBecomeTheRole(t *testing.T) {
	l := newLab(t, messagesSQL, today, topicPolicies)
	login := l.role("login", "login bypassrls")
	l.Exec("grant usage on schema realtime to " + login + "; grant all on realtime.messages to " + login)
	l.policy.pool = l.loginPool(login)
	s := l.subject("authenticated", user1)
	var refused *RoleError
	if _, err := l.policy.MayRead(t.Context(), s, Topic{Name: "pv-br"}, true); !errors.As(err, &refused) || refused.User != login {
		t.Errorf("MayRead: %v", err)
	}
	if g, err := l.policy.MayWrite(t.Context(), s, Topic{Name: "pv-bw"}); !errors.As(err, &refused) {
		t.Errorf("MayWrite = %+v, %v; a role that we may not become is no refusal by a policy", g, err)
	}
	l.Exec("grant authenticated to " + login)
	if g, err := l.policy.MayWrite(t.Context(), s, Topic{Name: "pv-bw"}); err != nil || !g.WriteBroadcast {
		t.Errorf("MayWrite = %+v, %v after the grant", g, err)
	}
}

// TestPrivateTopicsWithoutAPolicyAreNoFault: that nobody may read or write a topic is
// how most policies say no, with SQLSTATE 42501 where it is an INSERT.
func TestPrivateTopicsWithoutAPolicyAreNoFault(t *testing.T) {
	l := newLab(t, messagesSQL, today, topicPolicies)
	log := l.logs()
	check := func(role string) {
		t.Helper()
		s := l.subject(role, "{}")
		read, err := l.policy.MayRead(t.Context(), s, Topic{Name: "other"}, true)
		write, err2 := l.policy.MayWrite(t.Context(), s, Topic{Name: "other"})
		if n := measured(t, l.metrics, "walcast_policy_raised_total"); err != nil || err2 != nil || read != (Grants{}) || write != (Grants{}) || n != 0 || log.Len() > 0 {
			t.Errorf("%+v, %v, %+v, %v; %v are counted, logged is %q", read, err, write, err2, n, log.String())
		}
	}
	check("anon") // no policy is for it
	check("authenticated")
}

// TestPrivateTopicsTellTheLogOfARoleThatWeMayNotBecome: what is logged is the SQL
// after which it works.
func TestPrivateTopicsTellTheLogOfARoleThatWeMayNotBecome(t *testing.T) {
	l := newLab(t, messagesSQL, today, topicPolicies)
	login := l.role("login", "login bypassrls")
	l.Exec("grant usage on schema realtime to " + login + "; grant all on realtime.messages to " + login)
	cure := fmt.Sprintf(`GRANT "authenticated" TO "%s";`, login)
	if l.major() >= 16 {
		l.Exec("grant authenticated to " + login + " with set false")
		cure = fmt.Sprintf(`GRANT "authenticated" TO "%s" WITH SET TRUE;`, login)
	}
	l.policy.pool = l.loginPool(login)
	var log bytes.Buffer
	l.policy.log = slog.New(slog.NewJSONHandler(&log, nil))
	s, topic := l.subject("authenticated", user1), Topic{Name: "pv-br"}
	_, err := l.policy.MayRead(t.Context(), s, topic, false)
	_, err2 := l.policy.MayWrite(t.Context(), s, topic)
	all := l.policy.MayReadAll(t.Context(), []ReadCheck{{Subject: s, Topic: topic}})
	for _, err := range []error{err, err2, all[0].Err} {
		if !errors.Is(err, ErrUnknownRole) {
			t.Errorf("told %v", err)
		}
	}
	var line struct{ Level, Role, User, Cure string }
	if err := json.Unmarshal(log.Bytes(), &line); err != nil { // which takes one line only
		t.Fatalf("logged %q: %v", log.String(), err)
	}
	if line.Level != "WARN" || line.Role != "authenticated" || line.User != login || line.Cure != cure {
		t.Errorf("logged %+v; want the cure %s", line, cure)
	}
	l.Exec(line.Cure)
	if g, err := l.policy.MayRead(t.Context(), s, topic, false); err != nil || !g.ReadBroadcast {
		t.Errorf("after %s: MayRead = %+v, %v", line.Cure, g, err)
	}
}

// The schema that walcast makes itself has all that the checks need.
func TestPrivateTopicsOnOurOwnSchema(t *testing.T) {
	l := newLab(t)
	conn, err := l.Pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = migrations.Apply(t.Context(), conn.Conn(), slog.New(slog.DiscardHandler))
	conn.Release()
	if err != nil {
		t.Fatalf("Apply: %v", err)
	}
	l.Exec(topicPolicies)
	s, topic := l.subject("authenticated", user1), Topic{Name: "pv-br-pw"}
	read, err := l.policy.MayRead(t.Context(), s, topic, true)
	if err != nil || read != (Grants{ReadBroadcast: true}) {
		t.Errorf("MayRead = %+v, %v", read, err)
	}
	write, err := l.policy.MayWrite(t.Context(), s, topic)
	if err != nil || write != (Grants{WritePresence: true}) {
		t.Errorf("MayWrite = %+v, %v", write, err)
	}
}
