package main

import (
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
	if code != 0 || !strings.Contains(out, db.Name+" *") || !strings.Contains(out, "reserved") || !strings.Contains(out, "nobody") {
		t.Errorf("status exits %d with:\n%s", code, out)
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
