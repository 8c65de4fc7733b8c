package program

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Build builds the program, with flags of go build, and returns where it is.
func Build(t *testing.T, flags ...string) string {
	t.Helper()
	return build(t, "", flags)
}

// build builds the program from the source in a folder; "" is this one.
func build(t *testing.T, folder string, flags []string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "walcast")
	command := exec.CommandContext(t.Context(), "go", slices.Concat([]string{"build"}, flags, []string{"-o", binary, "walcast/cmd/walcast"})...)
	command.Dir = folder
	if text, err := command.CombinedOutput(); err != nil {
		t.Fatalf("build walcast: %v\n%s", err, text)
	}
	return binary
}

// BuildRevision builds the program as it was at a commit of this repository. Where the
// history does not have it, as in an archive of the source or a shallow clone, it builds this
// source, and earlier is false.
func BuildRevision(t *testing.T, commit string, flags ...string) (binary string, earlier bool) {
	t.Helper()
	root := output(t, "", "go", "list", "-m", "-f", "{{.Dir}}")
	known := exec.CommandContext(t.Context(), "git", "cat-file", "-e", commit+"^{commit}")
	known.Dir = root
	if err := known.Run(); err != nil {
		t.Logf("the history does not have commit %s here, so this source takes its place", commit)
		return build(t, "", flags), false
	}
	folder := t.TempDir()
	archive, source := filepath.Join(folder, "source.tar"), filepath.Join(folder, "source")
	output(t, root, "git", "archive", "-o", archive, commit) // of the whole tree, as it runs in the root
	if err := os.Mkdir(source, 0o755); err != nil {
		t.Fatal(err)
	}
	output(t, "", "tar", "-x", "-f", archive, "-C", source)
	return build(t, source, flags), true
}

// output is what a program prints that is run in a folder, without the newline.
func output(t *testing.T, folder, name string, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), name, args...)
	command.Dir = folder
	var said strings.Builder
	command.Stderr = &said
	text, err := command.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, said.String())
	}
	return strings.TrimSpace(string(text))
}
