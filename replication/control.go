package replication

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// control is the reader's ordinary connection. It is kept open, so that types can
// be looked up however busy the pool is. It takes the slot lock, an advisory lock
// in Postgres: of several processes with one slot only the one that has it may end
// a stale walsender. Its methods may be called at once; statements run one at a
// time.
type control struct {
	pool *pgxpool.Pool
	slot string

	types *typeWatch

	mu      sync.Mutex
	conn    *pgxpool.Conn // nil until it is needed
	hasLock bool          // conn has the slot lock
	inLine  bool          // conn has a place in the line of those that stand by
}

// settingsQuery makes the connection last, whatever the role's settings: TCP
// keepalives let the server notice a reader that vanished, the idle time-out
// would end what is idle by design, and slot creation waits for long. Servers
// too old to have one of them are told so later.
const settingsQuery = `
	select set_config(s.name, v.value, false)
	from (values ('idle_session_timeout', '0'), ('statement_timeout', '0'),
		('tcp_keepalives_idle', '15'), ('tcp_keepalives_interval', '5'), ('tcp_keepalives_count', '3')) v (name, value)
	join pg_settings s on s.name = v.name`

// lockQuery takes the slot lock. It belongs to the session, so a lost connection
// gives it back.
const lockQuery = `select pg_try_advisory_lock(hashtextextended('walcast.slot.' || $1, 0))`

// unlockQuery gives the slot lock back, cleanQuery all locks, resetQuery undoes the
// settings.
const (
	unlockQuery = `select pg_advisory_unlock(hashtextextended('walcast.slot.' || $1, 0))`
	cleanQuery  = `select pg_advisory_unlock_all()`
	resetQuery  = `
	reset idle_session_timeout; reset statement_timeout; reset tcp_keepalives_idle; reset tcp_keepalives_interval; reset tcp_keepalives_count`
)

// use runs f with the connection, opening it first if necessary. f must not
// keep it.
func (c *control) use(ctx context.Context, f func(querier) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil && c.conn.Conn().IsClosed() {
		c.release(ctx)
	}
	if c.conn == nil {
		if err := c.open(ctx); err != nil {
			return err
		}
	}
	return f(c.conn)
}

// open takes a connection from the pool. After a restart of the server the pool
// may hand out dead ones first.
func (c *control) open(ctx context.Context) (err error) {
	for range c.pool.Config().MaxConns {
		if c.conn, err = c.pool.Acquire(ctx); err != nil {
			return fmt.Errorf("open control connection: %w", err)
		}
		if _, err = c.conn.Exec(ctx, settingsQuery); err == nil {
			return nil
		}
		isDead := c.conn.Conn().IsClosed()
		c.release(ctx)
		if !isDead {
			break
		}
	}
	return fmt.Errorf("prepare control connection: %w", err)
}

// lockSlot tries to take the slot lock and reports whether this process has it.
func (c *control) lockSlot(ctx context.Context) (hasLock bool, err error) {
	err = c.use(ctx, func(db querier) error {
		if !c.hasLock {
			c.hasLock, err = queryBool(ctx, db, lockQuery, c.slot)
		}
		hasLock = c.hasLock
		return err
	})
	if err != nil {
		return false, fmt.Errorf("take slot lock: %w", err)
	}
	return hasLock, nil
}

// unlockSlot gives the slot lock back, if this process has it.
func (c *control) unlockSlot(ctx context.Context) error {
	return c.use(ctx, func(db querier) error {
		if !c.hasLock {
			return nil
		}
		_, err := queryBool(ctx, db, unlockQuery, c.slot)
		c.hasLock = err != nil
		return err
	})
}

// close gives the connection back to the pool.
func (c *control) close(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		c.release(ctx)
	}
}

// release gives c.conn back. What cannot be cleaned is closed: no other user of
// the pool may get a connection that has the slot lock. It is a step of use and
// close, which hold c.mu.
func (c *control) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	raw := c.conn.Conn()
	if !raw.IsClosed() {
		_, err := raw.Exec(ctx, cleanQuery)
		if err == nil {
			_, err = raw.Exec(ctx, resetQuery)
		}
		if err != nil {
			raw.Close(ctx) // already failed
		}
	}
	c.conn.Release()
	c.conn, c.hasLock, c.inLine = nil, false, false
}
