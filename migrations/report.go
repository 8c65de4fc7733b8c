package migrations

import "slices"

// Report is what Apply found and did.
type Report struct {
	// Foreign says that somebody else made the schema; nothing was altered.
	Foreign bool
	// Applied are the migrations that were due, "002_messages"; none if the
	// schema was up to date.
	Applied []string
	// Granted are the client roles that may use the schema, Absent those that
	// the server does not have: apply again once they exist. Both are empty
	// for a foreign schema.
	Granted, Absent []string
	// Gaps is what the server needs and does not find.
	Gaps []Gap
	// Upkeep is what was done to partitions.
	Upkeep Upkeep
}

// Publishes reports whether messages are published that were not before.
func (r Report) Publishes() bool { return slices.Contains(r.Applied, publicationMigration) }

// Gap is something that a realtime schema lacks.
type Gap struct {
	Object  string // "function realtime.topic()"
	Without string // what does not work
	Remedy  string // the statement that helps, "" if it takes more than one
}

// Upkeep is what was done to the partitions of realtime.messages.
type Upkeep struct {
	Created []string
	Dropped []string // older than Retention, with their rows
	Trimmed bool     // rows older than Retention were deleted from the default partition
	// Occupied are days whose rows are in the default partition already and
	// stay there; no harm but in speed.
	Occupied []string
	// Busy is a partition that others had locked; the next upkeep tries it and
	// the rest again.
	Busy []string
	// Refused are partitions that this role may not make or drop.
	Refused []string
}

// Removal is what Remove did.
type Removal struct {
	// Foreign says that there is a schema that somebody else made; it stays.
	Foreign bool
	// Dropped is what was taken back, in that order; empty if there was nothing.
	Dropped []string
	// Blocked says why the schema could not go: others have put things into it.
	Blocked string
}
