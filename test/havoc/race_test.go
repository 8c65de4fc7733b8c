//go:build race

package havoc

// raceFlag builds the server as the test itself is built.
var raceFlag = []string{"-race"}
