package doctor

import (
	"context"
	"errors"

	"walcast/policy"
	"walcast/protocol"
	"walcast/replication/wal"
)

// ownRole looks at the role that walcast connects as.
func ownRole(f *facts) (findings []Finding) {
	s := f.self
	if s.replicates {
		findings = append(findings, fine("replication", Role, s.name, "it may replicate"))
	} else {
		findings = append(findings, f.platform.letReplicate(problem("replication", Role, s.name, "it is the role that walcast connects as, and may not replicate"), s.name))
	}
	for _, o := range f.overrides {
		if o.name == "role" && s.acting != s.name && (o.role == s.name || o.role == "") {
			findings = append(findings, warning("role_set", Role, s.name, "role %s is set for %s, so that walcast works with the rights of that role: it needs REPLICATION and what walcast needs beside it",
				quote(s.acting), o.whose()).cured(o.removed(), "other programs that connect as this role act as itself then", superuser))
		}
	}
	if !s.beats {
		findings = append(findings, warning("heartbeat", Role, s.name, "it may not call pg_logical_emit_message, so that walcast writes no heartbeat: an idle database keeps old WAL, and other servers do not hear of this one").
			cured(f.letBeat(), "it may then write messages into the WAL", superuser))
	}
	return findings
}

// letBeat is SQL that lets walcast's role write its heartbeat.
func (f *facts) letBeat() string {
	more := ""
	if f.server.major() >= 17 {
		more = ", boolean"
	}
	return "GRANT EXECUTE ON FUNCTION pg_logical_emit_message(boolean, text, text" + more + "), pg_logical_emit_message(boolean, text, bytea" + more + ") TO " + quote(f.self.acting) + ";"
}

// clientRole is a role that clients act as.
type clientRole struct {
	name     string
	member   bool // walcast's role is a member of it
	inherits bool // and has its rights without becoming it
}

const rolesSQL = `
	select r.rolname::text, pg_has_role(session_user, r.oid, 'MEMBER'), pg_has_role(session_user, r.oid, 'USAGE')
	from pg_roles r where r.rolname = any ($1) order by array_position($1, r.rolname::text)`

// ownRolesSQL lists the roles that walcast's role may become, where there are none of the
// names that everybody has.
const ownRolesSQL = `
	select r.rolname::text, true, pg_has_role(session_user, r.oid, 'USAGE')
	from pg_roles r join pg_auth_members m on m.roleid = r.oid join pg_roles u on u.oid = m.member
	where u.rolname = session_user and not r.rolcanlogin and r.rolname !~ '^(pg|rds)_' order by 1`

// usualRoles are the roles of clients, without a token and with one.
var usualRoles = []string{"anon", "authenticated"}

// clientRoles looks for the roles to check joins for: those that are asked for, else the
// usual ones, else what walcast may become. Of those that are asked for some may not
// exist.
func (l *looker) clientRoles(asked []string) (roles []clientRole) {
	var r clientRole
	into := []any{&r.name, &r.member, &r.inherits}
	add := func() { roles = append(roles, r) }
	switch {
	case len(asked) > 0:
		l.rows("roles", rolesSQL, []any{asked}, into, add)
		for _, name := range asked {
			if !has(roles, name) {
				roles = append(roles, clientRole{name: name})
			}
		}
		return roles
	default:
		l.rows("roles", rolesSQL, []any{usualRoles}, into, add)
	}
	if len(roles) == 0 {
		l.rows("roles", ownRolesSQL, nil, into, add)
	}
	if len(roles) == 0 {
		roles = []clientRole{{name: usualRoles[0]}} // whose absence is told
	}
	return roles
}

func has(roles []clientRole, name string) bool {
	for _, r := range roles {
		if r.name == name {
			return true
		}
	}
	return false
}

// checkRole looks whether walcast can act as a role. It reports whether it can.
func (j *joins) checkRole(ctx context.Context, r clientRole) (f Finding, can bool, err error) {
	s := j.policy.Subject(r.name, "{}")
	defer j.policy.Release(s)
	var unfit *policy.RoleError
	switch _, err := j.policy.View(ctx, &wal.Relation{}, s); {
	case errors.As(err, &unfit):
		f = problem(protocol.CodeUnknownRole, Role, r.name, "walcast cannot act as it: %v", unfit)
		return f.cured(unfit.Cure(), unfit.Cost(), superuser), false, nil
	case err != nil:
		return Finding{}, false, err
	case !r.inherits:
		return fine("membership", Role, r.name, "walcast's role may become it, and does not inherit its rights, which it need not"), true, nil
	}
	return fine("membership", Role, r.name, "walcast's role may become it"), true, nil
}
