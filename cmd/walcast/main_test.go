package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"walcast/internal/devdb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(devdb.Main(m)) }

// output is a buffer that several goroutines may use.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
	grew chan struct{} // has a token when there is more than before
}

func newOutput() *output { return &output{grew: make(chan struct{}, 1)} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.grew <- struct{}{}:
	default:
	}
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// await returns the output once it contains text. Only one goroutine may wait.
func (o *output) await(t *testing.T, ctx context.Context, text string) string {
	t.Helper()
	for {
		if all := o.String(); strings.Contains(all, text) {
			return all
		}
		select {
		case <-o.grew:
		case <-ctx.Done():
			t.Fatalf("waited for %q; the output is:\n%s", text, o.String())
		}
	}
}

// cleared takes every variable away that could be taken for a setting, and
// keeps what a server remembers out of the user's home.
func cleared(t *testing.T) {
	t.Helper()
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	t.Setenv("STATE_DIRECTORY", "")
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(name, "WALCAST_") && name != devdb.BinEnv || name == "DATABASE_URL" {
			t.Setenv(name, "") // restores it afterwards
			os.Unsetenv(name)
		}
	}
}

// command runs a command line to its end.
func command(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	o, e := newOutput(), newOutput()
	code = run(t.Context(), args, terminal{out: o, err: e})
	return code, o.String(), e.String()
}
