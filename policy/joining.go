package policy

import (
	"context"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"
)

// reserved is how many connections of the pool are not for joins. One is for the
// reader of the WAL, one for reading catalogs, one for asking again who may read
// private topics, and two for asking about rows. None of these may wait for joins.
const reserved = 5

// joining is the connections that may be in use at once for what clients ask when
// they join and send. Accounts take turns, however many sessions and tokens each of them
// has, and none has all of it. It is safe for concurrent use.
type joining struct {
	each int // that one account may have

	mu    sync.Mutex
	free  int
	lines map[Account]*line
	order []Account // of those who wait, whose turn is next first
}

// line is the joins of one account.
type line struct {
	using   int
	waiting []chan struct{} // closed when it is their turn
}

func newJoining(pool *pgxpool.Pool) *joining {
	size := 1
	if pool != nil {
		size = max(1, int(pool.Config().MaxConns)-reserved)
	}
	return &joining{free: size, each: max(1, size-1), lines: map[Account]*line{}}
}

// Join waits until one more connection may be used for a join of a subject, or ctx
// is done. The caller then uses one connection at a time, and calls done at the
// end. Meanwhile it does not call MayRead or MayWrite, which wait for a connection
// of their own.
func (pg *postgres) Join(ctx context.Context, s *Subject) (done func(), err error) {
	j, by := pg.joining, s.Account()
	turn := j.enter(by)
	select {
	case <-turn:
		return func() { j.leave(by) }, nil
	case <-ctx.Done():
		j.giveUp(by, turn)
		return nil, ctx.Err()
	}
}

// TryJoin is Join without waiting; ok is false if there is no connection for
// the subject now.
func (pg *postgres) TryJoin(s *Subject) (done func(), ok bool) {
	j, by := pg.joining, s.Account()
	turn := j.enter(by)
	select {
	case <-turn:
		return func() { j.leave(by) }, true
	default:
		j.giveUp(by, turn)
		return nil, false
	}
}

// enter returns what is closed when a connection may be used.
func (j *joining) enter(by Account) <-chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()
	l, turn := j.lines[by], make(chan struct{})
	if l == nil {
		l = &line{}
		j.lines[by] = l
	}
	if l.waiting = append(l.waiting, turn); len(l.waiting) == 1 {
		j.order = append(j.order, by)
	}
	j.grant()
	return turn
}

// leave gives a connection back.
func (j *joining) leave(by Account) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.free++
	j.lines[by].using--
	j.tidy(by)
	j.grant()
}

// giveUp ends the wait for a turn, which may have come meanwhile.
func (j *joining) giveUp(by Account, turn <-chan struct{}) {
	if !j.withdraw(by, turn) {
		j.leave(by)
	}
}

// withdraw is false if the turn has come.
func (j *joining) withdraw(by Account, turn <-chan struct{}) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	l := j.lines[by]
	if l == nil {
		return false
	}
	i := slices.IndexFunc(l.waiting, func(other chan struct{}) bool { return other == turn })
	if i < 0 {
		return false
	}
	if l.waiting = slices.Delete(l.waiting, i, i+1); len(l.waiting) == 0 {
		j.order = slices.DeleteFunc(j.order, func(other Account) bool { return other == by })
	}
	j.tidy(by)
	return true
}

// grant gives what is free to those whose turn it is. j.mu is held.
func (j *joining) grant() {
	for i := 0; i < len(j.order) && j.free > 0; {
		by := j.order[i]
		l := j.lines[by]
		if l.using >= j.each {
			i++
			continue
		}
		close(l.waiting[0])
		l.waiting[0] = nil
		l.waiting = l.waiting[1:]
		l.using++
		j.free--
		j.order = slices.Delete(j.order, i, i+1)
		if len(l.waiting) > 0 {
			j.order = append(j.order, by)
		}
	}
}

// tidy forgets an account that neither has nor wants anything. j.mu is held.
func (j *joining) tidy(by Account) {
	if l := j.lines[by]; l.using == 0 && len(l.waiting) == 0 {
		delete(j.lines, by)
	}
}
