package livedrill

import (
	"fmt"
	"sync"
	"time"

	"walcast/replication/wal"
	"walcast/test/havoc"
	"walcast/test/program"
)

// look is what a client held of a view when it was answered that it has caught up.
type look struct {
	client          string
	by              subject
	of              interest
	asked, answered int64 // Unix nanoseconds
	at              wal.Position
	told            wal.Snapshot // by the answer: what it sees has been delivered
	seen            wal.Snapshot // that of the rows which came last
	rows            map[string]string
}

// kind is what is wrong with what a client holds.
type kind string

// The kinds, which are counted apart.
const (
	lost    kind = "lost"    // a row that it should have, or a change of one, is not there
	phantom kind = "phantom" // it has a row that is not there, or that its filter excludes
	leaked  kind = "leaked"  // it has a row that its subject may not see
	torn    kind = "torn"    // it has a part of a transaction
	silent  kind = "silent"  // it was not answered
	other   kind = "other"   // it was told what it may not be told
)

// notes are what a client has noted. They are safe for concurrent use.
type notes struct {
	lines program.Logbook // what came, for the report

	mu     sync.Mutex
	looks  []look
	faults []fault
	count  map[string]int // of joins, snapshots and so on
}

// fault is something that must not happen to a client.
type fault struct {
	kind
	havoc.Fault
}

func newNotes() *notes { return &notes{count: map[string]int{}} }

func (n *notes) saw(l look) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.looks = append(n.looks, l)
}

func (n *notes) blame(k kind, client, format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.faults = append(n.faults, fault{k, havoc.Fault{Client: client, Time: time.Now().UnixNano(), Text: fmt.Sprintf(format, args...)}})
}

func (n *notes) add(what string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.count[what]++
}

// hasLooked reports whether the client was answered something that it asked after a moment.
func (n *notes) hasLooked(after int64) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := len(n.looks) - 1; i >= 0 && n.looks[i].answered >= after; i-- {
		if n.looks[i].asked >= after {
			return true
		}
	}
	return false
}
