package policy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"time"
)

func TestSixtyJoinsOfPrivateTopicsLeaveAConnectionThatDecidesAboutRows(t *testing.T) {
	l := newLab(t, messagesSQL, today,
		`create policy slow on realtime.messages for select to authenticated using (pg_sleep(4) is not null)`,
		`create table notes (id int primary key, owner uuid); grant select on notes to authenticated; alter table notes enable row level security;
		create policy own on notes for select to authenticated using (owner = auth.uid());
		insert into notes values (1, '00000000-0000-4000-8000-000000000001')`)
	s := l.subject("authenticated", `{"sub":"00000000-0000-4000-8000-000000000001","role":"authenticated"}`)
	rel := l.relation("notes")
	l.ask(rel, s)
	rows := inserts(rel, l.rows(rel, ""))

	ctx, cancel := context.WithCancel(t.Context())
	var joins sync.WaitGroup
	for i := range 60 {
		joins.Go(func() {
			if _, err := l.policy.MayRead(ctx, s, Topic{Name: fmt.Sprint("room-", i)}, false); err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("MayRead: %v", err)
			}
		})
	}
	for l.policy.joining.inUse(s.Account()) < l.policy.joining.each && t.Context().Err() == nil {
		runtime.Gosched()
	}
	decide, stop := context.WithTimeout(t.Context(), 20*time.Second) // all the joins in turn take longer
	defer stop()
	seen, errs, err := l.policy.Visible(decide, s, rows)
	if err != nil || len(errs) > 0 || len(seen) != 1 || !seen[0] {
		t.Errorf("Visible while others join = %v, %v, %v; want the row", seen, errs, err)
	}
	cancel()
	joins.Wait()
}

// The subject is that of a channel that has ended: none.
func TestAJoinThatHasGivenUpWaitsForNoConnection(t *testing.T) {
	p := New(DefaultConfig(), nil, slog.New(slog.DiscardHandler), nil)
	done, err := p.Join(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Join(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Join = %v; want %v", err, context.Canceled)
	}
	done()
	done, err = p.Join(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	done()
}

// inUse is how many connections an account has.
func (j *joining) inUse(by Account) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	if l := j.lines[by]; l != nil {
		return l.using
	}
	return 0
}

// TestAccountsTakeTurnsToJoin has one account want a lot, and others come later.
func TestAccountsTakeTurnsToJoin(t *testing.T) {
	many, few, third := Account{sub: "many"}, Account{sub: "few"}, Account{sub: "third"}
	j := &joining{free: 3, each: 2, lines: map[Account]*line{}}
	isIn := func(turn <-chan struct{}) bool {
		select {
		case <-turn:
			return true
		default:
			return false
		}
	}
	var first []<-chan struct{}
	for range 10 {
		first = append(first, j.enter(many))
	}
	if !isIn(first[0]) || !isIn(first[1]) || isIn(first[2]) {
		t.Fatal("one account does not have two of three connections")
	}
	other := []<-chan struct{}{j.enter(few), j.enter(few)}
	if !isIn(other[0]) || isIn(other[1]) {
		t.Error("another account does not have the third")
	}
	last := j.enter(third)
	j.leave(many)
	if !isIn(first[2]) || isIn(last) {
		t.Error("who has waited longest is not next")
	}
	j.leave(many)
	if !isIn(other[1]) || isIn(first[3]) {
		t.Error("the account that has waited longer is not next")
	}
	j.leave(few)
	if !isIn(last) || isIn(first[3]) {
		t.Error("an account that has come later waits for all that another wants")
	}
	for _, turn := range first[3:] {
		j.giveUp(many, turn)
	}
	j.giveUp(few, other[1])
	j.leave(many)
	j.leave(third)
	if len(j.lines)+len(j.order) > 0 || j.free != 3 {
		t.Errorf("%d accounts and %d turns are left, %d connections are free; want none and 3", len(j.lines), len(j.order), j.free)
	}
}

// TestTokensOfOneUserAreOneAccount, and no others.
func TestTokensOfOneUserAreOneAccount(t *testing.T) {
	p := New(DefaultConfig(), nil, slog.New(slog.DiscardHandler), nil)
	of := func(role, claims string) Account { return p.Subject(role, claims).Account() }
	first := of("authenticated", `{"sub":"1","iat":1}`)
	for _, c := range []struct {
		role, claims string
		same         bool
	}{
		{"authenticated", `{"sub":"1","iat":2,"aal":"aal1"}`, true},
		{"authenticated", `{"sub":"2","iat":1}`, false},
		{"anon", `{"sub":"1","iat":1}`, false},
		{"authenticated", `{"iat":1}`, false},
	} {
		if got := of(c.role, c.claims) == first; got != c.same {
			t.Errorf("%s %s is of the account of the first: %t; want %t", c.role, c.claims, got, c.same)
		}
	}
	if of("anon", `{"iat":1}`) == of("anon", `{"iat":2}`) {
		t.Error("tokens without sub are one account")
	}
	if (*Subject)(nil).Account() != (Account{}) {
		t.Error("a channel that has ended is of an account")
	}
}
