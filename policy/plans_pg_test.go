package policy

import (
	"fmt"
	"testing"
)

// Statements within functions have plans too, and these have the policies that applied to the
// role when they were made: who has left a role is not asked about by them.
func TestPlansWithinFunctionsEndWithMembershipInRoles(t *testing.T) {
	l := newLab(t, ownSQL, `create table secrets (id int primary key); alter table secrets enable row level security; insert into secrets values (1);
		create function knows() returns bool language plpgsql stable as $$ begin return exists (select from secrets); end $$;
		create table notes (id int primary key); alter table notes enable row level security; create policy p on notes using (knows())`)
	chief, reader := l.role("chief", "nologin"), l.role("reader", "nologin")
	l.Exec(fmt.Sprintf("grant usage on schema public to %s; grant select on notes, secrets to %[1]s; create policy chiefs on secrets to %s using (true)", reader, chief))
	l.watching()
	rel, s := l.relation("notes"), l.subject(reader, "{}")
	l.Exec("insert into notes values (1)")
	changes := inserts(rel, l.rows(rel, ""))
	for _, c := range []struct {
		sql  string
		want bool
	}{{"grant " + chief + " to " + reader, true}, {"revoke " + chief + " from " + reader, false}, {"grant " + chief + " to " + reader, true}} {
		l.Exec(c.sql)
		l.confirm()
		l.view(rel, s)
		if got := l.visible(s, changes)[0]; got != c.want {
			t.Errorf("after %s: visible %t; want %t", c.sql, got, c.want)
		}
	}
}
