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
		{nil, 0, []string{"applied 001_schema", "applied 005_publication"}},
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

func TestMigrateRefusesTwoActions(t *testing.T) {
	cleared(t)
	if code, _, errOut := command(t, "migrate", "--print", "--remove"); code != exitUsage {
		t.Errorf("migrate --print --remove exits %d with %q; want %d", code, errOut, exitUsage)
	}
}
