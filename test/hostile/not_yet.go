package hostile

// notYet are attacks that are known to succeed, and how. The short run tells of
// them and goes on; the measured one fails on them as on any other.
var notYet = map[string]string{
	"catastrophicPatterns":     "Postgres is asked about a pattern while the lane waits, 1 s for each: rows of all topics of the lane stop",
	"rangesUnderICUCollation":  "the lane waits for comparisons that Postgres makes: rows are 15 s late",
	"nulInNames":               "a NUL in the name of a table counts as a lost database: joins of others wait for 4 s",
	"hugePatterns":             "patterns are compiled and tried on the lane, however long: rows are 19 s late",
	"likeOfLongRows":           "LIKE takes the product of pattern and row, on the lane: rows of all topics of the lane stop",
	"topicsOfAnyLength":        "the past of topics is bounded by how many they are, not by their length: 424 MiB that stay, and 148 MiB of state",
	"namesFromOneSocket":       "bindings of a session are bounded by their count in each join only: 369 MiB from one socket",
	"silentJoinersOfFullRoom":  "the state of a room is built for each who joins, and a large one does not count in the queue: 687 MiB",
	"joinsOfManyBindings":      "checks and registration of many bindings have no turns: rows wait for a quarter of a second",
	"equalBindings":            "the ids of equal bindings are sent with each row, all of them: rows are 2 s late",
	"resumesAtOnce":            "each who comes back reads the log by itself, as many as there are: rows are 4 s late",
	"privateJoinsOfSlowPolicy": "joins take the connections by which rows are decided: rows that Postgres is asked about are a minute late",
	"frameFlood":               "nobody bounds how many messages a session sends: rows are 2 s late",
	"slowReaders":              "nobody bounds how many bytes a session sends: rows are 1 s late",
	"largeHandshakes":          "tokens and headers are kept for each session, as many as there are: 460 MiB of 3,000",
	"unreadEventStreams":       "each event stream has its own copies of large rows: 508 MiB of 300 streams",
	"randomFrames":             "some of its patterns are of those that stop a lane",
	"randomMixture":            "it has all of these",
}
