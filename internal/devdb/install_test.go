package devdb

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseVersion(t *testing.T) {
	for _, c := range []struct {
		line, version string
		major         int
	}{
		{"postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n", "15.18", 15},
		{"postgres (PostgreSQL) 18.4\n", "18.4", 18},
		{"postgres (PostgreSQL) 19beta1\n", "19beta1", 19},
	} {
		version, major, err := parseVersion(c.line)
		if err != nil || version != c.version || major != c.major {
			t.Errorf("parseVersion(%q) = %q, %d, %v; want %q, %d", c.line, version, major, err, c.version, c.major)
		}
	}
	for _, line := range []string{"", "postgres", "postgres (PostgreSQL) ", "postgres (PostgreSQL) devel"} {
		if _, major, err := parseVersion(line); err == nil {
			t.Errorf("parseVersion(%q) = %d; want an error", line, major)
		}
	}
}

func TestFindSaysWhatIsWrongWithANamedFolder(t *testing.T) {
	empty := t.TempDir()
	t.Setenv(BinEnv, empty)
	_, err := Find(t.Context(), "", 0)
	if err == nil || !strings.Contains(err.Error(), empty) || !strings.Contains(err.Error(), "initdb") {
		t.Errorf("Find with %s=%s: %v; want an error that names folder and initdb", BinEnv, empty, err)
	}
}

func TestFindTakesTheNamedFolderBeforeAllOthers(t *testing.T) {
	named := fakePostgres(t, "9.9")
	t.Setenv(BinEnv, named)
	in, err := Find(t.Context(), "", 0)
	if err != nil || in.BinDir != named || in.Major != 9 {
		t.Errorf("Find = %+v, %v; want the one in %s", in, err, named)
	}
	if _, err := Find(t.Context(), "", 15); err == nil || !strings.Contains(err.Error(), "want Postgres 15, it is 9.9") {
		t.Errorf("Find of another version: %v; want an error that names both", err)
	}
}

func TestErrNoPostgresNamesTheWaysOut(t *testing.T) {
	for _, way := range []string{"apt-get install postgresql", "@embedded-postgres", "docker run"} {
		if !strings.Contains(ErrNoPostgres.Error(), way) {
			t.Errorf("ErrNoPostgres does not name %q", way)
		}
	}
}

// fakePostgres is a folder whose postgres only knows its version.
func fakePostgres(t *testing.T, version string) string {
	t.Helper()
	dir := t.TempDir()
	script := "#!/bin/sh\necho 'postgres (PostgreSQL) " + version + "'\n"
	for _, name := range []string{"postgres", "initdb"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
