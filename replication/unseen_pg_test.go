package replication

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"walcast/internal/devdb"
	"walcast/replication/wal"
)

// waitingServer is a database with orders on a server where commits wait for a
// standby that never comes, if their session asks for it: they are in the WAL, and
// nobody sees them.
func waitingServer(t *testing.T) *devdb.DB {
	t.Helper()
	return ownServer(t, map[string]string{"synchronous_standby_names": "nobody", "synchronous_commit": "local"})
}

// waitUntilAsked waits until the reader asks whether a transaction is seen.
func waitUntilAsked(r *reading) {
	r.t.Helper()
	var now time.Time
	if err := r.db.Pool.QueryRow(r.t.Context(), "select clock_timestamp()").Scan(&now); err != nil {
		r.t.Fatal(err)
	}
	r.until("the reader to ask whether the transaction is seen", func() (asks bool) {
		err := r.db.Pool.QueryRow(r.t.Context(), `select exists (select from pg_stat_activity
			where pid = $1 and query_start > $2 and query like '%pg_visible_in_snapshot(%')`, controlPID(r.t, r.db), now).Scan(&asks)
		return err == nil && asks
	})
}

// wantNothing wants no change to have been read.
func (r *reading) wantNothing() {
	r.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if changes, err := r.cursor.Next(ctx, 0); len(rowsOf(changes)) > 0 || err != nil && !errors.Is(err, context.Canceled) {
		r.t.Errorf("read %d changes, %v; want none yet", len(changes), err)
	}
}

const (
	newMoods = `create type mood as enum ('sad', 'ok'); create table moods (id int primary key, mood mood);
		alter publication pub add table moods; insert into moods values (1, 'ok')`
	newSecrets = `alter table orders enable row level security; insert into orders values (1, 'a')`
)

// TestATableIsLookedAtOnceItsTransactionIsSeen: in a table's Relation message are
// neither what its types are made of nor its policies, so that both would be those
// of before the transaction.
func TestATableIsLookedAtOnceItsTransactionIsSeen(t *testing.T) {
	t.Parallel()
	db := waitingServer(t)
	r := startReader(t, db, holding())
	for _, c := range []struct{ sql, want string }{{newMoods, "INSERT moods 1 ok"}, {newSecrets, "INSERT orders 1 a"}} {
		release := db.CommitUnseen(c.sql)
		waitUntilAsked(r)
		r.wantNothing()
		release()
		changes := r.want(c.want)
		if typ := changes[0].Relation.Columns[1].Type; c.sql == newMoods && typ.Kind != wal.KindEnum {
			t.Errorf("type = %s; want the enum", typ.Name)
		}
	}
}

// TestATransactionThatIsNotSeenForLongIsToldAndNotLost has the reader give up: what
// it would send as text is a mood.
func TestATransactionThatIsNotSeenForLongIsToldAndNotLost(t *testing.T) {
	t.Parallel()
	db := waitingServer(t)
	r := startReader(t, db, holding(), func(s *setup) { s.timing.query = 500 * time.Millisecond })
	release := db.CommitUnseen(newMoods)
	r.until("the advice", func() bool { return strings.Contains(r.reader.Status().Error, "synchronous standby") })
	r.wantNothing()
	if got := r.metric("walcast_replication_reconnects_total", causeUnseen); got < 1 {
		t.Errorf("reconnects = %v; want one at least", got)
	}
	release()
	if typ := r.want("INSERT moods 1 ok")[0].Relation.Columns[1].Type; typ.Kind != wal.KindEnum {
		t.Errorf("type = %s; want the enum", typ.Name)
	}
}
