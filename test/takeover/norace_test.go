//go:build !race

package takeover

// raceFlag builds the server as the test itself is built.
var raceFlag []string
