// Package property makes property tests repeatable. A package whose tests
// import it draws the same values in every run, so that a change does not fail
// because of a value that has nothing to do with it; go test -rapid.seed=N looks elsewhere, and a seed of
// 0 anywhere. It is for tests only.
package property

import (
	"flag"

	_ "pgregory.net/rapid" // registers the flag
)

// seed is arbitrary.
const seed = "20261123"

func init() {
	// The flag exists, and the value is a number.
	_ = flag.Set("rapid.seed", seed)
}
