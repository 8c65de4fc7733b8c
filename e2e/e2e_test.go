// Package e2e runs the tests of the real clients: Node's test runner on the
// .mjs files beside this one, against the built binary and a real Postgres.
package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"walcast/internal/devdb"
)

func TestMain(m *testing.M) { os.Exit(devdb.Main(m).Run()) }

func TestRealClients(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "walcast")
	run(t, nil, "go", "build", "-o", binary, "walcast/cmd/walcast")
	run(t, nil, "npm", "ci", "--no-audit", "--no-fund")

	db := devdb.OpenServer(t, devdb.Options{TCP: true}) // Node's driver wants TCP
	devdb.SupabaseRoles(db)
	run(t, []string{"WALCAST_BIN=" + binary, "E2E_DATABASE_URL=" + db.DSN}, "node", "--test", "--test-force-exit", "--test-concurrency=2")
}

func run(t *testing.T, env []string, name string, args ...string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), name, args...)
	command.Env = append(os.Environ(), env...)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	if err := command.Run(); err != nil {
		t.Fatalf("%s %v: %v", name, args, err)
	}
}
