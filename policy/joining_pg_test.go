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
	for len(l.policy.joining) < cap(l.policy.joining) && t.Context().Err() == nil {
		runtime.Gosched()
	}
	decide, stop := context.WithTimeout(t.Context(), 2*time.Second)
	defer stop()
	seen, errs, err := l.policy.Visible(decide, s, rows)
	if err != nil || len(errs) > 0 || len(seen) != 1 || !seen[0] {
		t.Errorf("Visible while others join = %v, %v, %v; want the row", seen, errs, err)
	}
	cancel()
	joins.Wait()
}

func TestAJoinThatHasGivenUpWaitsForNoConnection(t *testing.T) {
	p := New(DefaultConfig(), nil, slog.New(slog.DiscardHandler), nil)
	done, err := p.Join(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Join(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Join = %v; want %v", err, context.Canceled)
	}
	done()
	done, err = p.Join(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	done()
}
