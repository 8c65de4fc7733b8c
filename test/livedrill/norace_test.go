//go:build !race

package livedrill

// raceFlag builds the server as the test itself is built.
var raceFlag []string
