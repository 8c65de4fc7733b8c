package server

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// writersInterval is how late it is noticed that another role may write logical
// messages.
const writersInterval = 10 * time.Second

// writers says whether logical messages may go to private topics. The WAL does not
// say who wrote one, so they may only while no role can write them but those that
// the settings name, superusers, and walcast's own, which needs the function for
// its heartbeat.
type writers struct {
	pool    *pgxpool.Pool
	roles   []string // that the settings name; none trusts nobody
	logger  *slog.Logger
	trusted atomic.Bool
	others  []writer // all others that could write at the last look; belongs to the goroutine that looks
	looked  bool
}

// othersQuery lists the roles that may call one of the functions that write
// logical messages and should not. pg_proc is each database's own, and so are these
// grants.
const othersQuery = `
	select distinct coalesce(r.rolname::text, 'PUBLIC'), p.oid::regprocedure::text
	from pg_proc p
	cross join aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
	left join pg_roles r on r.oid = a.grantee
	where p.pronamespace = 'pg_catalog'::regnamespace and p.proname = 'pg_logical_emit_message' and a.privilege_type = 'EXECUTE'
		and (a.grantee = 0 or not r.rolsuper and r.rolname <> current_user and r.rolname::text <> all ($1))
	order by 1, 2`

// writer is a role, or PUBLIC, and a function that it may call.
type writer struct{ Role, Function string }

// mayBePrivate reports whether a logical message may go to a private topic.
func (w *writers) mayBePrivate() bool { return w.trusted.Load() }

// run looks again and again until ctx is done.
func (w *writers) run(ctx context.Context) error {
	if len(w.roles) == 0 {
		return nil
	}
	ticker := time.NewTicker(writersInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		w.look(ctx)
	}
}

// look asks who may write logical messages. While that is not known nobody is
// trusted.
func (w *writers) look(ctx context.Context) {
	if len(w.roles) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	others, err := w.ask(ctx)
	if err != nil {
		w.trusted.Store(false)
		if ctx.Err() == nil {
			w.logger.Warn("logical messages do not go to private topics: who may write them is not known", "err", oneLine(err))
		}
		return
	}
	w.trusted.Store(len(others) == 0)
	if w.looked && slices.Equal(others, w.others) {
		return
	}
	w.others, w.looked = others, true
	if len(others) > 0 {
		w.logger.Warn("logical messages do not go to private topics: roles may write them that logical-message-roles does not name",
			"remedy", remedy(others))
		return
	}
	w.logger.Info("logical messages go to private topics", "roles", w.roles)
}

func (w *writers) ask(ctx context.Context) ([]writer, error) {
	rows, err := w.pool.Query(ctx, othersQuery, w.roles)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[writer])
}

// remedy is the SQL that takes the functions from those who should not have them.
func remedy(others []writer) string {
	var roles, functions []string
	for _, o := range others {
		role := o.Role
		if role != "PUBLIC" {
			role = pgx.Identifier{role}.Sanitize()
		}
		roles, functions = append(roles, role), append(functions, o.Function)
	}
	slices.Sort(functions)
	return fmt.Sprintf("REVOKE EXECUTE ON FUNCTION %s FROM %s;",
		strings.Join(slices.Compact(functions), ", "), strings.Join(slices.Compact(roles), ", "))
}
