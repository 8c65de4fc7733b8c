package live

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"walcast/diagnose"
	"walcast/filters"
	"walcast/policy"
	"walcast/protocol"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// SnapshotRequest is the bindings of a channel that are to have a snapshot, which they
// share. None of them is wild.
type SnapshotRequest struct {
	Subject  *policy.Subject
	Bindings []*diagnose.Binding
	// Fresh says that the snapshot is not to be older than the request: something has
	// happened after which earlier rows may be wrong.
	Fresh bool
	// Row is more conditions, by which the one row is taken that Snapshot.Row is to have;
	// none for all rows. Then there is one binding.
	Row filters.Filter
}

// key is equal for requests that can share a snapshot.
func (r SnapshotRequest) key() requestKey {
	var text strings.Builder
	for _, b := range r.Bindings {
		fmt.Fprintf(&text, "%q %q %q %q %t %q %d %q %t\n", b.Spec.Schema, b.Spec.Table, b.Spec.Filter, b.Spec.Select,
			b.Spec.Select == nil, b.Spec.Sorted().Order, b.Snapshot().Limit, fmt.Sprint(b.Spec.Int8AsString), b.Spec.View)
	}
	return requestKey{r.Subject, text.String() + r.Row.String()}
}

type requestKey struct {
	subject  *policy.Subject
	bindings string
}

// Snapshot is the rows of a request, as one pg_snapshot sees them. It is safe for
// concurrent use.
type Snapshot struct {
	Visible wal.Snapshot
	At      time.Time          // by Postgres' clock
	From    changelog.Standing // all that it does not see comes after this in the log
	End     wal.LSN            // all that it sees has committed before
	Heads   []Head             // by binding: what is said before its rows
	Counts  []int              // by binding: how many rows there are
	Views   []*policy.View     // by binding: what the subject could see of the table just before
	Reads   []Reads            // by binding: what decides which rows of a view there are, beside themselves

	Row wal.Row // the row that was asked for; nil if there is none, and for all others

	mu   sync.Mutex
	rows [][][]byte // by binding; nil once it was revoked
	keys [][]Key    // by binding: of its rows, for views alone
}

// Reads is what decides which rows of a view there are, beside the rows.
type Reads struct {
	Form string // of the row filter and list of columns that the table is published with
	// What policies that Postgres is asked about read.
	Relations []uint32 // whose changes are all in the log
	Hidden    []string // of whose changes nothing tells
}

// Sees reports whether the rows have what a change did, so that the change is not to
// be sent.
func (s *Snapshot) Sees(c *wal.Change) bool {
	return c.Position.LSN < s.End && s.Visible.Sees(c.XID)
}

// Rows are the data objects of a binding's rows from one on, up to about so many bytes,
// one at least, and for a view their keys. They are not ok once the snapshot was revoked:
// then another has to be asked for. Who still has some rows then keeps no others in memory.
func (s *Snapshot) Rows(binding, from, bytes int) (rows [][]byte, keys []Key, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rows == nil {
		return nil, nil, false
	}
	rest, n := s.rows[binding][from:], 0
	for size := 0; n < len(rest) && (n == 0 || size < bytes); n++ {
		size += len(rest[n])
	}
	if of := s.keys[binding]; of != nil {
		keys = slices.Clone(of[from : from+n])
	}
	return slices.Clone(rest[:n]), keys, true
}

// drop lets go of the rows.
func (s *Snapshot) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows, s.keys = nil, nil
}

// RefusedError says that a binding cannot have a snapshot. Asking again would give the
// same answer.
type RefusedError struct {
	Binding int // its index in the request
	Problem protocol.Problem
	// IsOfTable says that the table, or what the role may do with it, is not as a snapshot
	// needs it, which may change. A check of the binding finds the same.
	IsOfTable bool
}

func (e *RefusedError) Error() string { return e.Problem.Message }

// AwayError says that there is no answer yet. It is worth asking again.
type AwayError struct {
	cause error
	// Unreachable says that the database could not be asked at all.
	Unreachable bool
}

func (e *AwayError) Error() string { return "take a snapshot: " + e.cause.Error() }

// Unwrap is what happened.
func (e *AwayError) Unwrap() error { return e.cause }
