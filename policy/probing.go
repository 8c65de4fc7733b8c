package policy

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
)

// probing is where walcast's own role puts a row for a subject to find or not:
// realtime.messages, or, for a role to which its row-level security applies, a view
// of it that "walcast migrate --grant-to" grants.
type probing struct {
	relation atomic.Pointer[string] // nil until it was of use, and after it was not
}

const messagesView = "realtime.walcast_messages"

// probingSQL is whether to use the view.
const probingSQL = `
	select coalesce(bool_or(pg_catalog.has_table_privilege(v.oid, 'insert') and not pg_catalog.pg_has_role(m.relowner, 'usage')), false)
	from pg_catalog.pg_namespace n
	join pg_catalog.pg_class m on m.relnamespace operator(pg_catalog.=) n.oid and m.relname operator(pg_catalog.=) 'messages'
	join pg_catalog.pg_class v on v.relnamespace operator(pg_catalog.=) n.oid and v.relname operator(pg_catalog.=) 'walcast_messages'
	where n.nspname operator(pg_catalog.=) 'realtime'`

// into returns the relation.
func (p *probing) into(ctx context.Context, conn *pgx.Conn) (string, error) {
	if known := p.relation.Load(); known != nil {
		return *known, nil
	}
	var view bool
	if err := conn.QueryRow(ctx, probingSQL).Scan(&view); err != nil {
		return "", fmt.Errorf("find where to ask about private topics: %w", err)
	}
	if view {
		return messagesView, nil
	}
	return messagesTable, nil
}

// worked remembers a relation that could be used. After one that could not, the
// next call looks again, as grants may have changed.
func (p *probing) worked(relation string, did bool) {
	if did {
		p.relation.Store(&relation)
	} else {
		p.relation.Store(nil)
	}
}

// insertProbe leaves event, payload and private at their defaults: policies
// must not depend on them.
func insertProbe(relation string) string {
	return "insert into " + relation + ` (id, topic, extension, inserted_at, updated_at)
	select probe.i::pg_catalog.uuid, probe.topic, probe.e, probe.t, probe.t
	from (select i, topic, e, pg_catalog.timezone('utc', pg_catalog.now()) as t
		from rows from (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]), pg_catalog.unnest($3::pg_catalog.text[])) as probe (i, topic, e)) as probe`
}

// refused is why walcast's own role could not put a row there.
func (p *private) refused(conn *pgx.Conn, raised *AskError) error {
	p.probing.worked("", false)
	if raised.SQLState != codeInsufficientPrivilege && raised.SQLState != codeWithCheckOption {
		raised.Message = "walcast's own role cannot put a row into " + messagesTable + " " + textInLog
		p.pg.noteRaised(raised, 1)
		return raised
	}
	user := conn.Config().User
	if p.pg.raised.note(messagesTable+" "+user, p.pg.now()) {
		p.pg.log.Error("walcast's own role may not use the schema realtime, so that nobody can join a private channel", "role", user,
			"text", raised.text, "cure", "as owner of the database, run: walcast migrate --grant-to "+user)
	}
	return ErrNotGranted
}
