//go:build !race

package drill

// raceFlag builds the server as the test itself is built.
var raceFlag []string
