package policy

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

// Asked together, everybody gets what they get alone.
func TestManyPrivateTopicsAreAskedTogether(t *testing.T) {
	l := newLab(t, messagesSQL, today, topicPolicies)
	first, second, anon := l.subject("authenticated", user1), l.subject("authenticated", user2), l.subject("anon", user1)
	var questions []ReadQuestion
	for i, s := range []*Subject{first, second, anon, l.subject("no_such_role", "{}"), l.subject("none", "{}"), first, l.subject("service_role", "{}")} {
		for _, topic := range []string{"pv-br", "mine-" + uid1, "boom", "pv-pr", "nul\x00", "other", "pv-br-pr"} {
			questions = append(questions, ReadQuestion{s, Topic{Name: topic}, i%2 == 0})
		}
	}
	for i := range 300 {
		questions = append(questions, ReadQuestion{l.subject("authenticated", user(i)), Topic{Name: fmt.Sprintf("mine-00000000-0000-4000-8000-%012d", i&^1)}, false})
	}
	answers := l.policy.MayReadAll(t.Context(), questions)
	for i, q := range questions {
		want, wantErr := l.policy.MayRead(t.Context(), q.Subject, q.Topic, q.Presence)
		if got := answers[i]; got.Grants != want || (got.Err == nil) != (wantErr == nil) || errors.Is(got.Err, ErrUnknownRole) != errors.Is(wantErr, ErrUnknownRole) {
			t.Errorf("%s %s on %q: %+v, %v; alone %+v, %v", q.Subject.Role, q.Subject.Claims, q.Topic.Name, got.Grants, got.Err, want, wantErr)
		}
	}
	var left int
	if err := l.Pool.QueryRow(t.Context(), "select count(*) from realtime.messages").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d messages are left, %v", left, err)
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
	if err != nil || !slices.Equal(reads.Tables, []uint32{l.relation("members").OID}) || len(reads.Functions) != 1 {
		t.Fatalf("MessagesReads = %+v, %v", reads, err)
	}
	l.confirm()
	l.Exec("alter policy member on realtime.messages using (false)")
	l.confirm()
	if c := <-changed; !slices.Equal(c.Relations, []uint32{reads.Relation}) {
		t.Errorf("told of %+v", c)
	}
}
