package live

import (
	"errors"
	"fmt"
	"time"
)

// SnapshotLimits bound what snapshots take. DefaultSnapshotLimits has the defaults;
// each field names the setting that a user writes.
type SnapshotLimits struct {
	// SnapshotConnections (snapshot-connections) is how many connections to Postgres
	// snapshots have for themselves. Each is read over one; more are read at once with
	// more of them, and Postgres has more to do then.
	SnapshotConnections int
	// SnapshotRows (snapshot-rows) is how many rows a snapshot may have.
	SnapshotRows int
	// SnapshotBytes (snapshot-memory) is how much memory the rows of all snapshots may
	// take that their clients have still to take. Others wait.
	SnapshotBytes int64
	// SnapshotTimeout (snapshot-timeout) is how long Postgres may take for one. A client
	// that takes longer to read it keeps its memory for as long as nobody needs it.
	SnapshotTimeout time.Duration
	// ViewKeys (view-keys) is how many rows the views of all clients may have together:
	// the server holds 16 bytes of each, and about as much again to find them.
	ViewKeys int
	// ViewRecheck (view-recheck) is how often the rows of views are looked at again that
	// depend on what neither the WAL nor the catalog shows. Each time costs a snapshot.
	ViewRecheck time.Duration
}

// DefaultSnapshotLimits is what serve uses when nothing is set.
func DefaultSnapshotLimits() SnapshotLimits {
	return SnapshotLimits{SnapshotConnections: 2, SnapshotRows: 100_000, SnapshotBytes: 64 << 20, SnapshotTimeout: 30 * time.Second, ViewKeys: 1_000_000, ViewRecheck: 30 * time.Second}
}

// Validate names every bad field at once, as the user wrote it.
func (l SnapshotLimits) Validate() (err error) {
	if l.SnapshotConnections < 1 {
		err = errors.Join(err, fmt.Errorf("snapshot-connections: want at least 1, got %d", l.SnapshotConnections))
	}
	if l.SnapshotRows < 1 {
		err = errors.Join(err, fmt.Errorf("snapshot-rows: want at least 1, got %d", l.SnapshotRows))
	}
	if l.SnapshotBytes < 1<<20 {
		err = errors.Join(err, fmt.Errorf("snapshot-memory: want at least 1048576 bytes, got %d", l.SnapshotBytes))
	}
	if l.SnapshotTimeout < 100*time.Millisecond {
		err = errors.Join(err, fmt.Errorf("snapshot-timeout: want at least 100ms, got %s", l.SnapshotTimeout))
	}
	if l.ViewKeys < 1 {
		err = errors.Join(err, fmt.Errorf("view-keys: want at least 1, got %d", l.ViewKeys))
	}
	if l.ViewRecheck < 100*time.Millisecond {
		err = errors.Join(err, fmt.Errorf("view-recheck: want at least 100ms, got %s", l.ViewRecheck))
	}
	return err
}
