package policy

import (
	"fmt"
	"testing"

	"walcast/replication/wal"
)

func TestWhatTokensAndTablesFillHasBounds(t *testing.T) {
	l := newLab(t, ownSQL)
	rel, s := l.relation("docs"), l.subject("authenticated", user1)
	l.view(rel, s)
	for i := range 2*mostRoles + 10 {
		a := l.policy.tables.of(rel, fmt.Sprint("role", i))
		a.mu.Lock()
		a.role = &RoleError{Role: fmt.Sprint("role", i)}
		a.mu.Unlock()
	}
	known := l.policy.tables.all()
	if len(known) > mostRoles {
		t.Errorf("%d roles are known", len(known))
	}
	if l.policy.tables.of(rel, s.Role).current() == nil {
		t.Error("a role that has views is forgotten")
	}
	rules := l.policy.tables.of(rel, s.Role).current()
	for i := range 2*mostBonds + 10 {
		other := wal.Relation{OID: uint32(i), Schema: rel.Schema, Table: rel.Table, Columns: rel.Columns}
		s.guard.bound(&other, rules)
	}
	if n := len(s.guard.bonds); n > mostBonds {
		t.Errorf("%d bonds", n)
	}
	for i := range mostStatements + 10 {
		conn, err := acquireFrom(t.Context(), l.Pool)
		if err == nil {
			err = prepareUnder(t.Context(), conn.Conn(), "", catalogPath, fmt.Sprint("select ", i))
		}
		if err != nil {
			t.Fatal(err)
		}
		conn.Release()
	}
	var prepared int
	if err := l.Pool.QueryRow(t.Context(), "select count(*) from pg_prepared_statements where name like 'walcast%'").Scan(&prepared); err != nil || prepared > mostStatements {
		t.Errorf("%d statements are prepared, %v", prepared, err)
	}
}
