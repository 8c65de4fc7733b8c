package policy

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"walcast/replication/wal"
)

func user(i int) string {
	return fmt.Sprintf(`{"role":"authenticated","sub":"00000000-0000-4000-8000-%012d"}`, i)
}

// crowd is many subjects that are asked about the same rows, one for each of
// the first of them.
func (l *lab) crowd(rel *wal.Relation, subjects, rows int) []*Inquiry {
	changes := inserts(rel, l.rows(rel, fmt.Sprintf("where id < %d order by id", rows)))
	inquiries := make([]*Inquiry, subjects)
	for i := range inquiries {
		s := l.subject("authenticated", user(i))
		l.ask(rel, s)
		inquiries[i] = &Inquiry{Subject: s, Changes: changes}
	}
	return inquiries
}

const crowdSQL = `
	create table docs (id int primary key, owner uuid); alter table docs enable row level security; grant all on docs to anon, authenticated;
	insert into docs select i, ('00000000-0000-4000-8000-' || lpad(i::text, 12, '0'))::uuid from generate_series(0, 999) as i;`

func TestManySubjectsAreAskedTogether(t *testing.T) {
	l := newLab(t, crowdSQL, "create policy own on docs using (owner = auth.uid())")
	rel := l.relation("docs")
	inquiries := l.crowd(rel, 300, 310)
	inquiries[7].Subject = l.subject("authenticated", `{"sub":"nobody"}`)
	inquiries[8].Subject = l.subject("anon", user(8))
	inquiries[9].Subject = l.subject("no_such_role", user(9))
	inquiries[10].Changes = nil
	l.ask(rel, inquiries[8].Subject)
	if _, err := l.policy.VisibleAll(t.Context(), inquiries); err != nil {
		t.Fatal(err)
	}
	for i, q := range inquiries {
		switch i {
		case 7:
			if slices.Contains(q.Visible, true) || len(q.Errs) != 310 {
				t.Errorf("a subject whose claim is no uuid: %d errors", len(q.Errs))
			}
		case 9, 10:
			if slices.Contains(q.Visible, true) || len(q.Errs) != 0 {
				t.Errorf("subject %d: %v", i, q.Errs)
			}
		default:
			if !q.Visible[i] || slices.Contains(q.Visible[:i], true) || slices.Contains(q.Visible[i+1:], true) || len(q.Errs) != 0 {
				t.Errorf("subject %d does not see just its row: %v", i, q.Errs)
			}
		}
	}
}

func TestSubjectsAskedTogetherShareNothing(t *testing.T) {
	l := newLab(t, crowdSQL, `
		create function who() returns text language plpgsql stable as $$ begin
			if coalesce(current_setting('app.who', true), '') = '' then perform set_config('app.who', auth.uid()::text, true); end if;
			return current_setting('app.who');
		end $$;
		create policy own on docs using (owner::text = who())`)
	inquiries := l.crowd(l.relation("docs"), 20, 20)
	if _, err := l.policy.VisibleAll(t.Context(), inquiries); err != nil {
		t.Fatal(err)
	}
	for i, q := range inquiries {
		want := make([]bool, 20)
		want[i] = true
		if !slices.Equal(q.Visible, want) || len(q.Errs) > 0 {
			t.Errorf("subject %d: %v, %v", i, q.Visible, q.Errs)
		}
	}
}

func TestOneSubjectsTroubleIsNotThatOfOthers(t *testing.T) {
	l := newLab(t, crowdSQL, "create policy picky on docs using (owner = auth.uid() or right(auth.uid()::text, 1) <> '5' and 1 / (id % 3) is null)")
	rel := l.relation("docs")
	inquiries := l.crowd(rel, 40, 30)
	if _, err := l.policy.VisibleAll(t.Context(), inquiries); err != nil {
		t.Fatal(err)
	}
	for i, q := range inquiries {
		for id := range q.Changes {
			own, raises := id == i, id%3 == 0 && id != i && i%10 != 5
			if q.Visible[id] != own || (q.Errs[id] != nil) != raises {
				t.Errorf("subject %d, row %d: visible %t, %v", i, id, q.Visible[id], q.Errs[id])
			}
		}
	}
}

// Poolers between us and Postgres may not know prepared statements.
func TestAskingWithoutPreparedStatements(t *testing.T) {
	l := newLab(t, crowdSQL, "create policy own on docs using (owner = auth.uid() and 1 / (id % 3) is not null)")
	config := l.Pool.Config()
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	l.policy.pool = pool
	inquiries := l.crowd(l.relation("docs"), 10, 10)
	if _, err := l.policy.VisibleAll(t.Context(), inquiries); err != nil {
		t.Fatal(err)
	}
	for i, q := range inquiries {
		if q.Visible[i] != (i%3 != 0) || (q.Errs[i] != nil) != (i%3 == 0) || q.Visible[(i+1)%10] {
			t.Errorf("subject %d: %v, %v", i, q.Visible, q.Errs)
		}
	}
	var prepared int
	if err := pool.QueryRow(t.Context(), "select count(*) from pg_prepared_statements").Scan(&prepared); err != nil || prepared != 0 {
		t.Errorf("%d prepared statements, %v", prepared, err)
	}
}

func TestManyRowsAreAskedInParts(t *testing.T) {
	l := newLab(t, crowdSQL, "insert into docs select i, gen_random_uuid() from generate_series(1000, 2499) as i", "create policy odd on docs using (id % 2 = 1)")
	rel, s := l.relation("docs"), l.subject("anon", "{}")
	changes := inserts(rel, l.rows(rel, "order by id"))
	l.ask(rel, s)
	for id, seen := range l.visible(s, changes) {
		if seen != (id%2 == 1) {
			t.Errorf("row %d: %t", id, seen)
		}
	}
	if n := measured(t, l.metrics, "walcast_policy_asks_total"); n != 3 {
		t.Errorf("%v statements for 2500 rows; want 3", n)
	}
}

func TestSettingsOfTheDatabaseDoNotChangeWhatIsAsked(t *testing.T) {
	l := newLab(t, crowdSQL, "alter table docs add body text", `update docs set body = E'\\ \u00fc' where id = 3`,
		`create policy odd on docs using (body = E'\\ \u00fc' and body = auth.jwt() ->> 'body' and id % 2 = 1)`)
	for _, setting := range []string{"standard_conforming_strings = off", "client_encoding = latin1", "datestyle = 'german'", "row_security = off", "search_path = ''"} {
		l.Exec("alter database " + l.Name + " set " + setting)
		l.policy.pool = l.loginPool("postgres")
		rel, s := l.relation("docs"), l.subject("authenticated", `{"body":"\\ ü"}`)
		changes := inserts(rel, l.rows(rel, "where id < 5 order by id"))
		l.ask(rel, s)
		if got := l.visible(s, changes); !slices.Equal(got, []bool{false, false, false, true, false}) {
			t.Errorf("with %s: %v", setting, got)
		}
		l.Exec("alter database " + l.Name + " reset all")
	}
}

func TestTheWaitForAConnectionIsNotPostgresTime(t *testing.T) {
	l := newLab(t, crowdSQL, "create policy own on docs using (owner = auth.uid())")
	config := l.Pool.Config()
	config.MaxConns = 1
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	l.over(pool)
	inquiries := l.crowd(l.relation("docs"), 3, 3)
	taken, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	before := pool.Stat().EmptyAcquireWaitTime()
	time.AfterFunc(200*time.Millisecond, taken.Release)
	started := time.Now()
	took, err := l.policy.VisibleAll(t.Context(), inquiries)
	if err != nil {
		t.Fatal(err)
	}
	waited := pool.Stat().EmptyAcquireWaitTime() - before
	if all := time.Since(started); waited == 0 || took <= 0 || took > all-waited {
		t.Errorf("Postgres took %s of %s, of which %s were waited for a connection", took, all, waited)
	}
}
