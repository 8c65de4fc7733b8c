package main

import (
	"regexp"
	"strings"
	"testing"

	"walcast/internal/devdb"
)

func TestSlotStatusAndDrop(t *testing.T) {
	cleared(t)
	db := devdb.Open(t)
	t.Setenv("DATABASE_URL", db.DSN)
	t.Setenv("WALCAST_SLOT", db.Name)

	code, out, errOut := command(t, "slot", "status")
	if code != 0 || !strings.Contains(out, "no slot") {
		t.Errorf("status without a slot exits %d with %q, %q", code, out, errOut)
	}
	db.Exec("select pg_create_logical_replication_slot($1, 'pgoutput')", db.Name)
	code, out, _ = command(t, "slot", "status")
	row := regexp.MustCompile(`(?m)^` + db.Name + ` \*  +` + db.Name + `  +pgoutput  +reserved  +\d+  +\d+  +[0-9A-F]+/[0-9A-F]+  +nobody$`)
	if code != 0 || !row.MatchString(out) {
		t.Errorf("status exits %d with no row as %s:\n%s", code, row, out)
	}
	for _, want := range []string{"RETAINED BYTES", "RETAINED SECONDS", "max_slot_wal_keep_size is not set", "SELECT pg_drop_replication_slot('" + db.Name + "')"} {
		if !strings.Contains(out, want) {
			t.Errorf("status does not say %q:\n%s", want, out)
		}
	}
	if code, out, errOut = command(t, "slot", "drop"); code != 0 || !strings.Contains(out, "dropped") {
		t.Errorf("drop exits %d with %q, %q", code, out, errOut)
	}
	if code, _, errOut = command(t, "slot", "drop"); code != exitFailed || !strings.Contains(errOut, "does not exist") {
		t.Errorf("a second drop exits %d with %q", code, errOut)
	}
}

func TestSlotNamesWhatIsWrong(t *testing.T) {
	cleared(t)
	for want, args := range map[string][]string{
		"--database-url: not set": {},
		"--slot: want":            {"--database-url=postgres://h/d", "--slot=Bad"},
	} {
		code, _, errOut := command(t, append([]string{"slot", "status"}, args...)...)
		if code != exitUsage || !strings.Contains(errOut, want) {
			t.Errorf("slot status %v exits %d with %q; want %q", args, code, errOut, want)
		}
	}
}

// TestSlotStatusForARoleThatMayNotMuch is neither superuser nor in pg_monitor.
func TestSlotStatusForARoleThatMayNotMuch(t *testing.T) {
	cleared(t)
	db := devdb.OpenServer(t, devdb.Options{Settings: map[string]string{"max_slot_wal_keep_size": "1GB"}})
	db.Exec("create role plain login")
	db.Exec("select pg_create_logical_replication_slot($1, 'pgoutput')", db.Name)
	t.Setenv("DATABASE_URL", strings.Replace(db.DSN, "postgres@", "plain@", 1))
	t.Setenv("WALCAST_SLOT", db.Name)
	code, out, errOut := command(t, "slot", "status")
	if code != 0 || !strings.Contains(out, "unknown") || !strings.Contains(out, "gives up a slot that keeps more than max_slot_wal_keep_size = 1GB") {
		t.Errorf("status exits %d with %q, %q", code, out, errOut)
	}
}
