package changelog

import "time"

// Config bounds what the log keeps.
type Config struct {
	// Bytes is the memory of the changes held at most, counted by Change.Bytes;
	// beyond it the oldest leave first. 0 is no limit.
	Bytes int64
	// Window is how long a change stays in the log before it may leave, as far
	// as Bytes allow. Postgres keeps the WAL of these changes until then.
	Window time.Duration
}
