package devdb

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func start(t *testing.T, o Options) *Server {
	t.Helper()
	s, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// query returns one text value, or the error's text.
func query(t *testing.T, dsn, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		return err.Error()
	}
	defer conn.Close(context.Background())
	var value string
	if err := conn.QueryRow(t.Context(), sql).Scan(&value); err != nil {
		return err.Error()
	}
	return value
}

func execute(t *testing.T, dsn, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func TestServerIsReadyForLogicalReplication(t *testing.T) {
	s := start(t, Options{Settings: map[string]string{"max_replication_slots": "7"}})
	for sql, want := range map[string]string{
		"show wal_level":             "logical",
		"show synchronous_commit":    "on",
		"show fsync":                 "off",
		"show max_replication_slots": "7",
		"show server_encoding":       "UTF8",
		"show listen_addresses":      "",
	} {
		if got := query(t, s.DSN("postgres"), sql); got != want {
			t.Errorf("%s = %q; want %q", sql, got, want)
		}
	}
}

func TestStopLeavesNothing(t *testing.T) {
	s, err := Start(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // again is fine
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(s.Dir); !os.IsNotExist(err) {
		t.Errorf("folder %s after Stop: %v; want it gone", s.Dir, err)
	}
}

func TestServerComesBackAfterRestartAndKill(t *testing.T) {
	s := start(t, Options{})
	dsn := s.DSN("postgres")
	execute(t, dsn, "create table kept as select 'here'::text as v")
	if err := s.StartAgain(t.Context()); err == nil {
		t.Error("StartAgain while running: no error")
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := query(t, dsn, "select v from kept"); got != "here" {
		t.Errorf("after a restart: %s", got)
	}
	s.Kill()
	if got := query(t, dsn, "select v from kept"); got == "here" {
		t.Error("a killed server still answers")
	}
	if err := s.StartAgain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := query(t, dsn, "select v from kept"); got != "here" {
		t.Errorf("after a kill: %s", got)
	}
}

func TestTCPAsksForThePassword(t *testing.T) {
	s := start(t, Options{TCP: true, Password: "it's"})
	if got := query(t, s.DSN("postgres"), "show fsync"); got != "off" {
		t.Errorf("with the password: %s", got)
	}
	wrong := strings.Replace(s.DSN("postgres"), "it%27s", "other", 1)
	if wrong == s.DSN("postgres") {
		wrong = strings.Replace(wrong, "it's", "other", 1)
	}
	if got := query(t, wrong, "show fsync"); !strings.Contains(got, "password authentication failed") {
		t.Errorf("with another password: %s", got)
	}
}

func TestDataDirIsKeptAndTakesTheNewPassword(t *testing.T) {
	// Not t.TempDir: another user has to pass through its parents.
	parent, err := os.MkdirTemp(dirRoot, "walcast-data-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(parent) })
	if err := os.Chmod(parent, 0o755); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(parent, "data")

	first := start(t, Options{DataDir: data, TCP: true, Password: "one"})
	execute(t, first.DSN("postgres"), "create table kept as select 'here'::text as v")
	if got := query(t, first.DSN("postgres"), "show fsync"); got != "on" {
		t.Errorf("fsync of a kept server = %s; want on", got)
	}
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	second := start(t, Options{DataDir: data, TCP: true, Password: "two"})
	if got := query(t, second.DSN("postgres"), "select v from kept"); got != "here" {
		t.Errorf("in the second run: %s", got)
	}
}

func TestAFailedStartShowsTheLogAndLeavesNothing(t *testing.T) {
	s, err := Start(t.Context(), Options{Settings: map[string]string{"no_such_setting": "1"}})
	if err == nil {
		s.Stop()
		t.Fatal("started with an unknown setting")
	}
	if !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("error %q does not show the log", err)
	}
}

func TestStaleFoldersGoAndOthersStay(t *testing.T) {
	dir, lock, err := makeDir(owner{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if !inUse(dir) {
		t.Errorf("a locked folder counts as unused")
	}
	lock.Close()
	removeStale(time.Now())
	if _, err := os.Stat(dir); err != nil {
		t.Errorf("a young folder is gone: %v", err)
	}
	if inUse(dir) {
		t.Errorf("an unlocked folder counts as used")
	}
	old := time.Now().Add(-2 * staleAge)
	if err := os.Chtimes(dir, old, old); err != nil {
		t.Fatal(err)
	}
	removeStale(time.Now())
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("an old folder stays: %v", err)
	}
}
