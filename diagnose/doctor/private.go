package doctor

// private is what private channels and messages from SQL need: the schema realtime.
type private struct {
	exists bool // there is a table realtime.messages
	usable bool // walcast's role may put a row there, for subjects to find or not
	today  bool // there is a partition for today's messages
}

// private looks at the schema realtime. A role to which the table's row-level security
// applies puts rows into a view instead.
func (l *looker) private(p *private) {
	l.one("schema realtime", `
		select m.oid is not null,
			coalesce(has_schema_privilege(n.oid, 'USAGE') and (v.oid is not null and has_table_privilege(v.oid, 'INSERT')
				or has_table_privilege(m.oid, 'INSERT') and (pg_has_role(m.relowner, 'USAGE') or not m.relrowsecurity
					or (select rolsuper or rolbypassrls from pg_roles where rolname = current_user))), false),
			coalesce(m.relkind <> 'p' or exists (select from pg_class c where c.relnamespace = n.oid and c.relispartition
				and c.relname = to_char(now() at time zone 'utc', '"messages_"YYYY_MM_DD')), false)
		from (select) as one
		left join pg_namespace n on n.nspname = 'realtime'
		left join pg_class m on m.relnamespace = n.oid and m.relname = 'messages' and m.relkind in ('r', 'p')
		left join pg_class v on v.relnamespace = n.oid and v.relname = 'walcast_messages' and v.relkind = 'v'`,
		nil, &p.exists, &p.usable, &p.today)
}

// privateChannels says whether clients can join private channels.
func privateChannels(f *facts) []Finding {
	const name = "realtime.messages"
	p := f.private
	switch {
	case !p.exists:
		return []Finding{fine("private_channels", Table, name, "there is no such table, which only private channels and messages from SQL need").advised("to have these, run walcast migrate as the owner of the database")}
	case !p.usable:
		return []Finding{warning("private_not_granted", Table, name, "walcast's role may not put a row there, so that all joins of private channels are refused").
			advised("as the owner of the database, run: walcast migrate --grant-to %s", f.self.name)}
	case !p.today:
		return []Finding{warning("private_no_partition", Table, name, "it has no partition for today, so that joins of private channels and messages from SQL are refused").
			advised("start walcast, which makes partitions, or run walcast migrate as the owner of the database")}
	}
	return []Finding{fine("private_channels", Table, name, "clients can join private channels, as policies allow")}
}
