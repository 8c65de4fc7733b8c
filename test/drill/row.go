package drill

import (
	"fmt"

	"walcast/replication/wal"
)

// row names what one statement wrote: no writer uses a number twice.
type row struct{ Writer, Number int }

func (r row) String() string { return fmt.Sprintf("%d.%d", r.Writer, r.Number) }

// written is a committed row, as Postgres' own decoding tells it.
type written struct {
	row
	Table string
	Shard int
	At    wal.Position
}

// stretch is what lies after From, up to and with To.
type stretch struct{ From, To wal.Position }

func (s stretch) has(p wal.Position) bool {
	return p.Compare(s.From) > 0 && p.Compare(s.To) <= 0
}

// entryKind is what a client has noted.
type entryKind uint8

const (
	joined  entryKind = iota // the join was answered; At is where the client starts, if it is told
	seen                     // a row came; At is its position, if the client is told
	resync                   // the client was told to resync
	closed                   // the connection ended; Text says how
	refused                  // the join was refused; Text says why
	told                     // a system event with an error; Text is its message
)

// entry is one line of a client's diary.
type entry struct {
	Time   int64 // Unix nanoseconds
	Kind   entryKind
	Row    row
	At     wal.Position
	Resync notice
	Text   string
}

// notice is the content of a resync_required.
type notice struct {
	Code               string
	From, Oldest, Upto wal.Position // From is zero where the server does not know
}
