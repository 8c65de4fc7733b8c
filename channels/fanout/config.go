package fanout

import (
	"time"

	"walcast/channels/live"
	"walcast/diagnose"
	"walcast/filters"
	"walcast/internal/heavy"
	"walcast/policy"
	"walcast/protocol"
)

// Config of a Fanout.
type Config struct {
	// MaxChangeBytes is the size of a change's values above which long values
	// are cut from its payload.
	MaxChangeBytes int
	// ResumeWait is how long a client that resumes waits for the log to have its
	// position, as when the window is read again after a restart.
	ResumeWait time.Duration
	// Locale is the database's locale, on which some comparisons depend.
	// Comparisons that a missing part of it would decide are left to Postgres.
	Locale filters.Locale
	// Operators decides comparisons that Go is not certain of. It is required.
	Operators filters.Asker
	// Raised words the error that a policy or filter raised for a row. It is
	// required.
	Raised func(b *diagnose.Binding, s *policy.Subject, err error) protocol.Problem
	// Resynced is called with its code when a client is told to resync; nil
	// counts nothing.
	Resynced func(code string)
	// Snapshots takes the snapshots that bindings ask for; nil takes none. Keys are of the
	// rows that views have.
	Snapshots *live.Snapshots
	Keys      *live.Keys
	// ViewRecheck is how often it is looked whether a view has the rows that it should
	// have, if these depend on what neither the WAL nor the catalog shows; 0 is never.
	ViewRecheck time.Duration
	// Heavy is what catch-ups compute a part of; nil makes one.
	Heavy *heavy.Work
}
