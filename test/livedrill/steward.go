package livedrill

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"walcast/test/program"
)

// steward changes who may see what, memberships and columns at random.
type steward struct {
	dsn    string
	random *rand.Rand
	events *program.Logbook

	now  rules // as they were committed last, as far as it knows; nil if it has to look
	next int   // number of the next rules

	mu    sync.Mutex
	spans map[int]*span // by number of the rules
}

// span is around when the transaction committed, or failed, that made rules, in Unix nanoseconds.
type span struct{ before, after int64 }

// begin makes the first rules.
func (s *steward) begin(ctx context.Context, db *pgx.Conn) error {
	s.spans, s.now = map[int]*span{}, rules{}
	return s.make(ctx, db, firstRules(s.random))
}

// make has other rules apply, and writes them into the journal.
func (s *steward) make(ctx context.Context, db *pgx.Conn, next rules) error {
	text, err := json.Marshal(next)
	if err != nil {
		return err
	}
	statements := []string{"begin; set local lock_timeout = '300ms'"}
	for _, t := range tables {
		statements = append(statements, next[t.name].change(t.name, s.now[t.name], false)...)
	}
	n := s.next
	s.next++
	statements = append(statements, fmt.Sprintf("insert into journal values (%d, '%s')", n, strings.ReplaceAll(string(text), "'", "''")), "commit")
	of := s.open(n)
	_, err = db.Exec(ctx, strings.Join(statements, "; "), pgx.QueryExecModeSimpleProtocol)
	s.close(of)
	s.events.Note("rules %d: %s (%v)", n, strings.Join(statements[1:len(statements)-2], "; "), err)
	if s.now = next; err != nil {
		s.now = nil
	}
	return err
}

func (s *steward) open(n int) *span {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spans[n] = &span{before: time.Now().UnixNano()}
	return s.spans[n]
}

func (s *steward) close(of *span) {
	s.mu.Lock()
	defer s.mu.Unlock()
	of.after = time.Now().UnixNano()
}

// look finds out which rules apply, where it does not know whether its last have committed.
func (s *steward) look(ctx context.Context, db *pgx.Conn) error {
	var text string
	if err := db.QueryRow(ctx, "select rules from journal order by n desc limit 1").Scan(&text); err != nil {
		return err
	}
	var now rules
	if err := json.Unmarshal([]byte(text), &now); err != nil {
		return err
	}
	s.now = now
	return nil
}

// rule goes on until ctx is done, over whatever happens to Postgres.
func (s *steward) rule(ctx context.Context) {
	connected(ctx, s.dsn, func() bool { return program.Wait(ctx, upTo(s.random, 3*time.Second)) }, func(ctx context.Context, db *pgx.Conn) error {
		if s.now == nil {
			if err := s.look(ctx, db); err != nil {
				return err
			}
		}
		if s.random.IntN(5) < 2 {
			return s.make(ctx, db, s.now.draw(s.random, pick(s.random, tables...).name))
		}
		sql := s.unrest()
		_, err := db.Exec(ctx, "begin; set local lock_timeout = '300ms'; "+sql+"; commit", pgx.QueryExecModeSimpleProtocol)
		s.events.Note("%s (%v)", sql, err)
		return err
	})
}

// unrest draws what changes memberships, or has walcast learn the tables again.
func (s *steward) unrest() string {
	room, sub := s.random.IntN(rooms), pick(s.random, subjects[1:]...).sub
	switch s.random.IntN(10) {
	case 0, 1, 2:
		return fmt.Sprintf("insert into members values (%d, '%s') on conflict do nothing", room, sub)
	case 3, 4, 5:
		return fmt.Sprintf("delete from members where room = %d and who = '%s'", room, sub)
	case 6:
		return "truncate " + pick(s.random, tables...).name
	case 7:
		return pick(s.random, "grant select on notes to service_role", "revoke select on notes from service_role",
			"create index on notes (room)", "analyze whole", "comment on table pairs is 'x'")
	case 8:
		return "alter table notes replica identity " + pick(s.random, "full", "default")
	}
	return fmt.Sprintf("insert into members values (%d, '%s') on conflict do nothing; update notes set room = %[1]d where id = %[3]d", room, sub, 1+s.random.IntN(ids))
}
