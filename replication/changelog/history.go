package changelog

import "walcast/replication/wal"

// History identifies one continuous WAL history; positions of two histories
// do not compare. System and Timeline are those of IDENTIFY_SYSTEM (Postgres
// manual, "Streaming Replication Protocol").
type History struct {
	System   string // the system identifier, in decimal digits
	Timeline int32  // the timeline on which reading began
	// Slot is the slot's name. If the slot was made anew while the server ran,
	// "@" and the LSN at which the new one started follow, so that its history
	// has another name.
	Slot string
}

// epoch is the history that the log holds at present. The log's lock guards it.
type epoch struct {
	history History
	number  int          // counts the histories of this log from 1 on; 0 before Begin
	reason  string       // why the history began, as Begin was told
	start   wal.Position // where the history starts
	past    wal.Position // up to here changes had been committed when the history began
	live    wal.Position // up to here changes are read again after a restart
}

// begun reports whether there is a history at all.
func (e *epoch) begun() bool { return e.number > 0 }

// next starts another history at start.
func (e *epoch) next(h History, start wal.Position, reason string) {
	*e = epoch{history: h, number: e.number + 1, reason: reason, start: start, past: start, live: start}
}

// Standing is a position with the history that it belongs to, so that it can be
// told from the same numbers of another one.
type Standing struct {
	History  History
	Position wal.Position
}

// ContinuedBy reports whether the standing's position can be looked for in h.
// A standing without a slot was kept over a restart, after which a slot's
// histories are named anew; then the system has to do.
func (s Standing) ContinuedBy(h History) bool {
	return s.History == h || s.History.Slot == "" && s.History.System == h.System
}
