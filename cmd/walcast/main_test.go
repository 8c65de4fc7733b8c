package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"walcast/internal/await"
	"walcast/internal/devdb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(devdb.Main(m)) }

// cleared takes every variable away that could be taken for a setting, and
// keeps what a server remembers out of the user's home.
func cleared(t *testing.T) {
	t.Helper()
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	t.Setenv("STATE_DIRECTORY", "")
	of := []string{"DATABASE_URL", "PORT", "SLOT_NAME_SUFFIX", "API_JWT_SECRET", "API_JWT_JWKS", "METRICS_JWT_SECRET"}
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(name, "WALCAST_") && name != devdb.BinEnv || strings.HasPrefix(name, "DB_") || slices.Contains(of, name) {
			t.Setenv(name, "") // restores it afterwards
			os.Unsetenv(name)
		}
	}
}

// command runs a command line to its end.
func command(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	o, e := await.NewOutput(), await.NewOutput()
	code = run(t.Context(), args, terminal{out: o, err: e})
	return code, o.String(), e.String()
}
