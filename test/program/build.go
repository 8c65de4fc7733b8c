package program

import (
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// Build builds the program, with flags of go build, and returns where it is.
func Build(t *testing.T, flags ...string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "walcast")
	args := slices.Concat([]string{"build"}, flags, []string{"-o", binary, "walcast/cmd/walcast"})
	if text, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput(); err != nil {
		t.Fatalf("build walcast: %v\n%s", err, text)
	}
	return binary
}
