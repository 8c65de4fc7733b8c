package policy

import (
	"context"
	"slices"
	"time"

	"walcast/replication/wal"
)

// earliness is the rows that were asked about too early: a commit is in the WAL
// before snapshots see it. The answers do not count, as they are from before the
// transaction: the row does not exist or is an older version, and so is what
// policies read besides the row.
type earliness struct {
	limit time.Duration // how long a row is asked about again
	pause time.Duration // how long to wait before asking again
	tasks []*task
}

const (
	earlyFirst = 2 * time.Millisecond
	earlyMost  = 50 * time.Millisecond
)

// shows reports whether a statement saw a transaction, if it has committed. No
// transaction has the id 0: of it there is nothing to be seen.
func shows(s wal.Snapshot, xid uint32) bool { return xid == 0 || s.Sees(xid) }

// unseen returns the numbers of the rows, from 1, that were asked about too early.
func (t *task) unseen(o *outcome) map[int]bool {
	if !o.acting {
		return nil
	}
	var unseen map[int]bool
	for i, change := range t.index {
		if !shows(o.snapshot, t.group.inquiry.Changes[change].XID) {
			if unseen == nil {
				unseen = map[int]bool{}
			}
			unseen[i+1] = true
		}
	}
	return unseen
}

// countOthers counts the numbers that are not in some.
func countOthers(numbers []int, some map[int]bool) (n int) {
	for _, number := range numbers {
		if !some[number] {
			n++
		}
	}
	return n
}

// add has rows of a task asked about again. After the limit they get an error instead.
func (e *earliness) add(t *task, unseen map[int]bool) {
	if len(unseen) == 0 {
		return
	}
	q := *t
	q.rows, q.index = nil, nil
	for i, row := range t.rows {
		if unseen[i+1] {
			q.add(t.index[i], row)
		}
	}
	switch {
	case q.asked.IsZero():
		q.asked = time.Now()
	case time.Since(q.asked) >= e.limit:
		q.raise(&AskError{
			Table: t.statements.table, SQLState: codeNotInPrerequisiteState,
			Message: "Postgres has committed the transaction but does not show it yet: does it wait for a synchronous standby?",
		})
		return
	}
	e.tasks = append(e.tasks, q.split()...)
}

// wait pauses, longer each time, and returns the tasks to ask again.
func (e *earliness) wait(ctx context.Context) ([]*task, error) {
	e.pause = min(max(2*e.pause, earlyFirst), earlyMost)
	if err := sleep(ctx, e.pause); err != nil {
		return nil, err
	}
	tasks := slices.Clone(e.tasks)
	e.tasks = nil
	return tasks, nil
}

// sleep waits for a time, or until ctx is done.
func sleep(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
