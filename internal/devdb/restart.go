package devdb

import (
	"context"
	"os/exec"
	"time"
)

// stopLimit is far above what a fast shutdown takes on a busy machine.
const stopLimit = time.Minute

// StopServer stops the server, as a service manager does, and ends the test if
// it does not stop.
func (db *DB) StopServer() {
	db.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	if err := db.Server.StopFast(ctx); err != nil {
		db.t.Fatalf("stop Postgres: %v", err)
	}
}

// StartServer starts a server that was stopped or killed, and has the pool
// forget its connections, which ended with it.
func (db *DB) StartServer() {
	db.t.Helper()
	if err := db.Server.StartAgain(context.Background()); err != nil {
		db.t.Fatalf("start Postgres again: %v", err)
	}
	db.Pool.Reset()
}

// CopyData copies the data folder of a server that is stopped, with its owner
// and rights, and ends the test if it cannot.
func CopyData(t TB, from, to string) {
	t.Helper()
	if out, err := exec.CommandContext(context.Background(), "cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("copy %s: %v\n%s", from, err, out)
	}
}
