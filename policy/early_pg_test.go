package policy

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"walcast/internal/devdb"
	"walcast/replication/pgoutput"
	"walcast/replication/wal"
)

// newWaitingLab is a lab in which some commits wait for a standby that never
// comes: they are in the WAL and nobody sees them.
func newWaitingLab(t testing.TB, statements ...string) *lab {
	t.Helper()
	l := labOn(t, devdb.OpenServer(t, devdb.Options{Settings: map[string]string{"synchronous_commit": "local"}}), statements...)
	l.decoding()
	l.Exec("alter system set synchronous_standby_names = 'nobody'")
	l.Exec("select pg_reload_conf()")
	for deadline := time.Now().Add(10 * time.Second); ; {
		var names string // a connection that is older than the setting takes its time
		if err := l.Pool.QueryRow(t.Context(), "show synchronous_standby_names").Scan(&names); err != nil || time.Now().After(deadline) {
			t.Fatalf("synchronous_standby_names = %q, %v", names, err)
		}
		if names == "nobody" {
			return l
		}
	}
}

// held commits statements and returns what the WAL has of it while nobody sees
// it. release has everybody see it.
func (l *lab) held(sql string) (changes []*wal.Change, release func()) {
	l.t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, l.DSN)
	if err != nil {
		l.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := conn.Exec(ctx, "set synchronous_commit = on; begin; "+sql+"; commit")
		done <- errors.Join(err, conn.Close(ctx))
	}()
	released := false
	release = func() {
		if !released {
			released = true
			l.Exec("select pg_cancel_backend($1)", conn.PgConn().PID())
			if err := <-done; err != nil {
				l.t.Errorf("%s: %v", sql, err)
			}
		}
	}
	l.t.Cleanup(release)
	for deadline := time.Now().Add(10 * time.Second); len(changes) == 0; {
		changes = l.decoded()
		if time.Now().After(deadline) {
			l.t.Fatalf("%s: the WAL has nothing of it", sql)
		}
	}
	return changes, release
}

// decoded is the rows that the slot has and that were not decoded before.
func (l *lab) decoded() (changes []*wal.Change) {
	l.t.Helper()
	rows, err := l.Pool.Query(context.Background(), `select data from pg_logical_slot_get_binary_changes($1, null, null,
		'proto_version', '1', 'publication_names', 'lab')`, l.Name)
	if err != nil {
		l.t.Fatal(err)
	}
	messages, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	if err != nil {
		l.t.Fatal(err)
	}
	for _, m := range messages {
		got, err := l.decoder.Decode(m)
		if err != nil {
			l.t.Fatal(err)
		}
		for _, c := range got.Changes {
			if c.Relation != nil { // else it only ends its transaction
				changes = append(changes, c)
			}
		}
	}
	return changes
}

// decoding makes the slot that decoded reads.
func (l *lab) decoding() {
	l.Exec("select pg_create_logical_replication_slot('" + l.Name + "', 'pgoutput')")
	l.decoder = pgoutput.NewDecoder(func(relation uint32, types []uint32) (wal.Description, error) {
		return l.catalog.Describe(context.Background(), relation, types)
	})
}

// whileHeld asks about changes, lets them be seen once they were asked about too
// early, and returns the answer.
func (l *lab) whileHeld(s *Subject, changes []*wal.Change, release func()) []bool {
	l.t.Helper()
	answer := make(chan []bool, 1)
	go func() {
		seen, errs, err := l.policy.Visible(context.Background(), s, changes)
		if err != nil || len(errs) > 0 {
			l.t.Errorf("Visible: %v, %v", errs, err)
		}
		answer <- seen
	}()
	before := measured(l.t, l.metrics, "walcast_policy_early_total")
	for deadline := time.Now().Add(10 * time.Second); measured(l.t, l.metrics, "walcast_policy_early_total") < before+2; {
		select {
		case seen := <-answer:
			l.t.Fatalf("Visible = %v while nobody sees the transaction", seen)
		default:
		}
		if time.Now().After(deadline) {
			l.t.Fatal("was not asked again")
		}
	}
	release()
	return <-answer
}

const genSQL = `create table gen (id int primary key, a int, twice int generated always as (a * 2) stored); alter table gen enable row level security;
	create policy even on gen using (twice > 10); grant all on gen to anon; insert into gen (id, a) values (1, 30);
	create table docs (id int primary key, room int); alter table docs enable row level security; grant all on docs to anon;
	create table members (room int primary key); insert into members values (7); grant all on members to anon;
	create policy member on docs using (room in (select room from members));`

// The WAL is ahead of what Postgres shows.
func TestARowIsNotLostThatIsAskedAboutBeforePostgresShowsIt(t *testing.T) {
	l := newWaitingLab(t, genSQL)
	l.decoded()
	s := l.subject("anon", "{}")
	for _, c := range []struct {
		sql  string
		want []bool
	}{
		{"insert into gen (id, a) values (2, 3), (3, 40)", []bool{false, true}},
		{"update gen set a = 50 where id = 1", []bool{true}}, // of which there is another version
		{"insert into docs values (1, 7), (2, 8)", []bool{true, false}},
		{"delete from members; insert into docs values (3, 7)", []bool{true, false}}, // the first has no policies
		{"insert into members values (9); insert into docs values (4, 9)", []bool{true, true}},
	} {
		changes, release := l.held(c.sql)
		if got := l.whileHeld(s, changes, release); !slices.Equal(got, c.want) {
			t.Errorf("%s: Visible = %v; want %v", c.sql, got, c.want)
		}
	}
}

func TestARowThatPostgresShowsTooLateIsAnErrorOfItsOwn(t *testing.T) {
	l := newWaitingLab(t, genSQL, "insert into docs values (1, 7)")
	l.decoded()
	l.policy.config.AccessAge = time.Hour
	s := l.subject("anon", "{}")
	docs := l.relation("docs")
	changes, _ := l.held("insert into gen (id, a) values (2, 30), (3, 40)")
	l.view(changes[0].Relation, s)
	l.view(docs, s)
	l.policy.config.Timeout = 500 * time.Millisecond
	changes = append(changes, inserts(docs, l.rows(docs, ""))...)
	seen, errs, err := l.policy.Visible(t.Context(), s, changes)
	if err != nil || !slices.Equal(seen, []bool{false, false, true}) || len(errs) != 2 {
		t.Fatalf("Visible = %v, %v, %v; want errors for the first two", seen, errs, err)
	}
	var asked *AskError
	if !errors.As(errs[1], &asked) || asked.SQLState != codeNotInPrerequisiteState || asked.Table != "public.gen" {
		t.Errorf("%+v; want to be told that it is not visible yet", errs[1])
	}
}
