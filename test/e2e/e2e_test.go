// Package e2e runs the tests of the real clients: Node's test runner on the
// .mjs files beside this one, against the built binary and a real Postgres.
package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"walcast/internal/devdb"
)

func TestMain(m *testing.M) { os.Exit(devdb.Main(m).Run()) }

// fileLimit is how long the tests of one file may take, in ms: a client that waits for ever
// is then told of by name, and not by the end of all tests.
const fileLimit = "480000"

func TestRealClients(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "walcast")
	run(t, nil, "go", "build", "-o", binary, "walcast/cmd/walcast")
	run(t, nil, "npm", "ci", "--no-audit", "--no-fund")

	db := devdb.OpenServer(t, devdb.Options{TCP: true}) // Node's driver wants TCP
	devdb.SupabaseRoles(db)
	env := []string{
		"WALCAST_BIN=" + binary, "CHROMIUM=" + program(t, "chromium", "chromium", "google-chrome", "google-chrome-stable"),
		"PATH=" + os.Getenv("PATH") + string(os.PathListSeparator) + standIns(t),
		"E2E_DATABASE_URL=" + db.DSN, "E2E_MESSAGES_URL=" + messagesDatabase(t, db),
	}
	run(t, env, "node", "--test", "--test-force-exit", "--test-concurrency=2", "--test-timeout="+fileLimit)
}

// messagesDatabase makes a second database, for the tests that need the schema
// realtime: the others must do without.
func messagesDatabase(t *testing.T, db *devdb.DB) string {
	t.Helper()
	db.Exec("create database messages")
	url := db.Server.DSN("messages")
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if err := devdb.CreateSupabaseRoles(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	return url
}

// standIns is a folder with what takes the place of curl where that cannot be
// installed.
func standIns(t *testing.T) string {
	t.Helper()
	program(t, "curl", "curl")
	folder, err := filepath.Abs("stand-ins")
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// program is the path of a program of one of the names, from a package that is
// installed if need be and may be; "" where there is none.
func program(t *testing.T, names ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "../../scripts/program.sh", names...)
	command.Stderr = os.Stderr
	path, err := command.Output()
	if err != nil {
		t.Fatalf("find %s: %v", names[0], err)
	}
	return strings.TrimSpace(string(path))
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
