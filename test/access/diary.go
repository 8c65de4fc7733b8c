package access

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"walcast/replication/wal"
)

// entryKind is what a client has noted.
type entryKind uint8

const (
	opened    entryKind = iota // a connection, as Subject; it comes back as Back says
	joined                     // the join was answered; At is where the channel starts
	armed                      // the bindings work
	trouble                    // a system event about rows that do not come; Code and Text are its
	resync                     // the client was told to resync, from From up to At
	shown                      // a change came: Frame, at At
	progress                   // everything up to At was sent before
	refreshed                  // a token of another Subject was sent
	answered                   // what was asked after it has been answered
	left                       // the channel was left with phx_leave
	closed                     // the connection ended; Text says how
	whispered                  // content of a row in a frame that is no row change: Text
)

// back is how a client continues.
type back uint8

const (
	fresh      back = iota // live from now
	named                  // it names its position
	remembered             // by its client_id
)

// entry is one line of a client's diary.
type entry struct {
	Time    int64 // Unix nanoseconds
	Kind    entryKind
	Subject int
	Back    back
	At      wal.Position
	From    wal.Position
	Code    string
	Text    string
	Frame   *frame
}

// frame is a row change as it came.
type frame struct {
	Type, Schema, Table string
	Record              map[string]json.RawMessage
	OldRecord           map[string]json.RawMessage `json:"old_record"`
	Unchanged           []string
	Truncated           []string
	Errors              []string
	LSN                 string
	Seq                 uint32
}

func (e entry) String() string {
	switch e.Kind {
	case opened:
		return fmt.Sprintf("connects as subject %d, %s from %s", e.Subject, []string{"live", "names its position", "by client_id"}[e.Back], e.From)
	case joined:
		return "joined at " + e.At.String()
	case armed:
		return "subscribed"
	case trouble:
		return fmt.Sprintf("told %s: %s", e.Code, e.Text)
	case resync:
		return fmt.Sprintf("resync %s from %s up to %s", e.Code, e.From, e.At)
	case shown:
		text, _ := json.Marshal(map[string]any{"record": e.Frame.Record, "old_record": e.Frame.OldRecord, "errors": e.Frame.Errors})
		return fmt.Sprintf("%s %s of %s.%s %.400s", e.At, e.Frame.Type, e.Frame.Schema, e.Frame.Table, strings.ReplaceAll(string(text), filling, "…"))
	case progress:
		return "complete up to " + e.At.String()
	case refreshed:
		return fmt.Sprintf("sends a token of subject %d", e.Subject)
	case answered:
		return fmt.Sprintf("is subject %d for sure", e.Subject)
	case left:
		return "left"
	case whispered:
		return "got content of rows: " + e.Text
	}
	return "closed: " + e.Text
}

// diary is what a client has noted. It is safe for concurrent use.
type diary struct {
	mu      sync.Mutex
	entries []entry
}

func (d *diary) note(e entry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e.Time = time.Now().UnixNano()
	d.entries = append(d.entries, e)
}

func (d *diary) read() []entry {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.entries[:len(d.entries):len(d.entries)]
}
