package policy

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

// Asked together, everybody gets what they get alone.
func TestManyPrivateTopicsAreAskedTogether(t *testing.T) {
	l := newLab(t, messagesSQL, today, topicPolicies)
	first, second, anon := l.subject("authenticated", user1), l.subject("authenticated", user2), l.subject("anon", user1)
	var checks []ReadCheck
	for i, s := range []*Subject{first, second, anon, l.subject("no_such_role", "{}"), l.subject("none", "{}"), first, l.subject("service_role", "{}")} {
		for _, topic := range []string{"pv-br", "mine-" + uid1, "boom", "pv-pr", "nul\x00", "other", "pv-br-pr"} {
			checks = append(checks, ReadCheck{s, Topic{Name: topic}, i%2 == 0})
		}
	}
	for i := range 300 {
		checks = append(checks, ReadCheck{l.subject("authenticated", user(i)), Topic{Name: fmt.Sprintf("mine-00000000-0000-4000-8000-%012d", i&^1)}, false})
	}
	answers := l.policy.MayReadAll(t.Context(), checks)
	for i, c := range checks {
		want, wantErr := l.policy.MayRead(t.Context(), c.Subject, c.Topic, c.Presence)
		if got := answers[i]; got.Grants != want || (got.Err == nil) != (wantErr == nil) || errors.Is(got.Err, ErrUnknownRole) != errors.Is(wantErr, ErrUnknownRole) {
			t.Errorf("%s %s on %q: %+v, %v; alone %+v, %v", c.Subject.Role, c.Subject.Claims, c.Topic.Name, got.Grants, got.Err, want, wantErr)
		}
	}
	var left int
	if err := l.Pool.QueryRow(t.Context(), "select count(*) from realtime.messages").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d messages are left, %v", left, err)
	}
}

func TestHowLongACheckTakesIsKnownOfEachOfMany(t *testing.T) {
	l := newLab(t, messagesSQL, today, `create policy slow on realtime.messages for select to authenticated
		using (case when realtime.topic() = 'slow' then pg_sleep(0.2) is not null else true end)`)
	s := l.subject("authenticated", user1)
	topics := []string{"a", "slow", "b", "c"}
	var checks []ReadCheck
	for _, topic := range topics {
		checks = append(checks, ReadCheck{s, Topic{Name: topic}, false})
	}
	var least [4]time.Duration
	for range 3 { // the machine may be busy
		for i, answer := range l.policy.MayReadAll(t.Context(), checks) {
			if answer.Err != nil || !answer.Grants.ReadBroadcast {
				t.Fatalf("%s: %+v", topics[i], answer)
			}
			if least[i] == 0 || answer.Took < least[i] {
				least[i] = answer.Took
			}
		}
	}
	for i, took := range least {
		if slow := topics[i] == "slow"; slow != (took >= 190*time.Millisecond) {
			t.Errorf("%s takes %s", topics[i], took)
		}
	}
}

func TestWhatPrivateTopicsDependOnIsLookedAt(t *testing.T) {
	l := newLab(t)
	if _, err := l.policy.MessagesReads(t.Context()); !errors.Is(err, ErrNoMessagesTable) {
		t.Errorf("MessagesReads = %v; want no table", err)
	}
	l.Exec(messagesSQL)
	l.Exec(`create table members (room text, usr uuid); create policy member on realtime.messages using (topic in (select room from members where usr = auth.uid()))`)
	changed := make(chan Changed, 1)
	l.policy.OnChange(func(c Changed) { changed <- c })
	l.watching()
	reads, err := l.policy.MessagesReads(t.Context())
	if err != nil || !slices.Equal(reads.Tables, []uint32{l.relation("members").OID}) || len(reads.Functions) == 0 {
		t.Fatalf("MessagesReads = %+v, %v", reads, err)
	}
	l.confirm()
	l.Exec("alter policy member on realtime.messages using (false)")
	l.confirm()
	if c := <-changed; !slices.Equal(c.Relations, []uint32{reads.Relation}) {
		t.Errorf("told of %+v", c)
	}
}

func TestWhatPoliciesOfPrivateTopicsReadByOthersIsKnown(t *testing.T) {
	l := newLab(t, messagesSQL, today, `
		create table members (room text, usr uuid) partition by list (room);
		create table members_a partition of members for values in ('a');
		create table teams (room text); create view open_rooms as select room from teams;
		create table bans (usr uuid); alter table teams enable row level security;
		create policy unbanned on teams using (not exists (select from bans where usr = auth.uid()))`)
	l.Exec(`create table locks (room text); create function is_locked(text) returns bool language sql stable
		begin atomic select exists (select from locks where room = $1); end`)
	l.Exec(`create policy member on realtime.messages using (not is_locked(topic) and (topic in (select room from members where usr = auth.uid())
		or topic in (select room from open_rooms)))`)
	reads, err := l.policy.MessagesReads(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"members", "members_a", "teams", "bans", "locks"} {
		var oid uint32
		if err := l.Pool.QueryRow(t.Context(), "select $1::text::regclass::oid", table).Scan(&oid); err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(reads.Tables, oid) {
			t.Errorf("%s is not among the tables that the policies read", table)
		}
	}
	if slices.Contains(reads.Tables, reads.Relation) {
		t.Error("realtime.messages is among the tables that its policies read")
	}
}

// Postgres keeps the policies of a role in a plan, whatever the role becomes a member of.
func TestARoleThatIsTakenAwayTakesPrivateTopicsAway(t *testing.T) {
	l := newLab(t, messagesSQL, today)
	reader, team := l.role("reader", "nologin"), l.role("team", "nologin")
	l.Exec("grant usage on schema realtime to " + reader + "; grant select on realtime.messages to " + reader + "; grant " + team + " to " + reader)
	l.Exec("create policy team on realtime.messages for select to " + team + " using (true)")
	changed := make(chan Changed, 8)
	l.policy.OnChange(func(c Changed) { changed <- c })
	l.watching()
	if _, err := l.policy.MessagesReads(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.confirm()
	s := l.subject(reader, user1)
	for _, step := range []struct {
		sql  string
		want bool
	}{{"", true}, {"revoke " + team + " from " + reader, false}, {"grant " + team + " to " + reader, true}} {
		if step.sql != "" {
			l.Exec(step.sql)
			l.confirm()
			if c := <-changed; !c.Rest {
				t.Errorf("%s: told of %+v; want the rest", step.sql, c)
			}
		}
		for range 3 { // pgx prepares
			if g, err := l.policy.MayRead(t.Context(), s, Topic{Name: "room"}, false); err != nil || g.ReadBroadcast != step.want {
				t.Errorf("after %q: may read %t, %v; want %t", step.sql, g.ReadBroadcast, err, step.want)
			}
		}
	}
}

// TestWhatAPolicyKeepsOfOneTopicIsGoneForTheNext: a function may keep what it has found for
// the rest of the transaction, which is about one topic elsewhere.
func TestWhatAPolicyKeepsOfOneTopicIsGoneForTheNext(t *testing.T) {
	l := newLab(t, messagesSQL, today, `create function may_read(topic text) returns boolean language plpgsql as $$
		begin
			if coalesce(current_setting('app.may_read', true), '') = '' then
				perform set_config('app.may_read', (topic = 'mine')::text, true);
			end if;
			return current_setting('app.may_read')::boolean;
		end $$`, `create policy read on realtime.messages for select to authenticated using (may_read(realtime.topic()))`)
	s := l.subject("authenticated", user1)
	var checks []ReadCheck
	for _, topic := range []string{"mine", "other", "mine", "another"} {
		checks = append(checks, ReadCheck{Subject: s, Topic: Topic{Name: topic}, Presence: true})
	}
	for i, a := range l.policy.MayReadAll(t.Context(), checks) {
		is := checks[i].Topic.Name == "mine"
		if want := (Grants{ReadBroadcast: is, ReadPresence: is}); a.Err != nil || a.Grants != want {
			t.Errorf("%s: %+v, %v; want %+v", checks[i].Topic.Name, a.Grants, a.Err, want)
		}
	}
}
