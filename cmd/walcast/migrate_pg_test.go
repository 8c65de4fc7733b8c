package main

import (
	"strings"
	"testing"

	"walcast/internal/devdb"
)

func TestMigrateAndRemove(t *testing.T) {
	cleared(t)
	db := devdb.Open(t)
	devdb.SupabaseRoles(db)
	t.Setenv("DATABASE_URL", db.DSN)
	for _, c := range []struct {
		flags []string
		code  int
		wants []string
	}{
		{[]string{"--remove"}, 0, []string{"there is no schema realtime"}},
		{nil, 0, []string{"applied 001_schema", "applied 005_publication", "servers that run read messages from SQL from now on"}},
		{nil, 0, []string{"schema realtime is up to date"}},
		{[]string{"--remove"}, 0, []string{"dropped table realtime.messages", "dropped schema realtime"}},
		{[]string{"--print"}, 0, []string{"create schema realtime;", "create function realtime.send("}},
	} {
		code, out, errOut := command(t, append([]string{"migrate"}, c.flags...)...)
		for _, want := range c.wants {
			if code != c.code || !strings.Contains(out, want) {
				t.Errorf("migrate %v exits %d with %q, %q; want %d with %q", c.flags, code, out, errOut, c.code, want)
			}
		}
	}
}

func TestMigrateSaysWhatAForeignSchemaLacks(t *testing.T) {
	cleared(t)
	db := devdb.Open(t)
	db.Exec("create schema realtime; create table realtime.messages (topic text)")
	t.Setenv("DATABASE_URL", db.DSN)
	code, out, errOut := command(t, "migrate")
	if code != exitFailed || !strings.Contains(errOut, "lacks") {
		t.Errorf("migrate exits %d with %q", code, errOut)
	}
	for _, want := range []string{
		"not made by walcast", "missing: function realtime.topic(); without it policies",
		"  alter table realtime.messages enable row level security;\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("migrate prints %q; want %q", out, want)
		}
	}
	if code, out, _ := command(t, "migrate", "--remove"); code != 0 || !strings.Contains(out, "stays as it is") {
		t.Errorf("migrate --remove exits %d with %q", code, out)
	}
}

func TestMigrateGrantsToTheRoleThatServes(t *testing.T) {
	cleared(t)
	db := devdb.Open(t)
	devdb.SupabaseRoles(db)
	owner, role := db.Name+"_owner", db.Name+"_walcast"
	db.Exec("create role " + owner + " login createrole")
	db.Exec("create role " + role + " login")
	db.Exec("alter database " + db.Name + " owner to " + owner)
	t.Setenv("DATABASE_URL", strings.Replace(db.DSN, "postgres@", owner+"@", 1))
	if code, _, errOut := command(t, "migrate", "--grant-to=nobody_here"); code != exitFailed || !strings.Contains(errOut, `"nobody_here": there is no such role`) {
		t.Errorf("migrate --grant-to=nobody_here exits %d with %q; want that there is no such role", code, errOut)
	}
	code, out, errOut := command(t, "migrate", "--grant-to="+role)
	for _, want := range []string{
		"done: grant usage on schema realtime to " + role, "done: grant select, insert on realtime.walcast_messages to " + role,
		"to be run by somebody who may (", "\n  alter role " + role + " replication;\n",
	} {
		if code != exitFailed || !strings.Contains(out, want) {
			t.Errorf("migrate --grant-to exits %d with %q, %q; want %q", code, out, errOut, want)
		}
	}
	t.Setenv("DATABASE_URL", db.DSN)
	if code, out, errOut := command(t, "migrate", "--grant-to="+role); code != 0 || !strings.Contains(out, "has what serve needs") {
		t.Errorf("migrate --grant-to by a superuser exits %d with %q, %q", code, out, errOut)
	}
	var replicates, member bool
	const privileges = `select rolreplication, pg_has_role(oid, 'authenticated', 'member') from pg_roles where rolname = $1`
	if err := db.Pool.QueryRow(t.Context(), privileges, role).Scan(&replicates, &member); err != nil || !replicates || !member {
		t.Errorf("replication %t, member of authenticated %t, %v; want both", replicates, member, err)
	}
	db.Exec("alter database " + db.Name + " owner to postgres")
	db.Exec("drop owned by " + role + "; drop role " + role + "; reassign owned by " + owner + " to postgres; drop role " + owner)
}

func TestMigrateRefusesTwoActions(t *testing.T) {
	cleared(t)
	if code, _, errOut := command(t, "migrate", "--print", "--remove"); code != exitUsage {
		t.Errorf("migrate --print --remove exits %d with %q; want %d", code, errOut, exitUsage)
	}
}
