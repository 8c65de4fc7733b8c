package hostile

// notYet are attacks that are known to succeed, and how. The short run tells of
// them and goes on; the measured one fails on them as on any other.
var notYet = map[string]string{
	"rangesUnderICUCollation": "joins of 10,000 bindings, and frames with as many ids, take a processor for long: on two busy cores rows are 0.3 to 0.6 s late",
	"equalBindings":           "the same: rows are 0.4 s late",
	"joinsOfManyBindings":     "the same: rows are 0.3 s late",
	"resumesAtOnce":           "each who comes back reads the log by itself, if in turn: on two busy cores rows are 0.2 to 0.4 s late",
	"topicsOfAnyLength":       "thousands of joins and messages a second are within the limits: on two busy cores rows are 0.3 s late",
	"randomMixture":           "checks of bindings wait in the name of a user whose private joins are slow, and those of others behind them: joins take 7 s",
}
