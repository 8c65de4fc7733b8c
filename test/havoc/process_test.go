package havoc

import (
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"walcast/test/program"
)

func TestAStopRightAfterAStartIsClean(t *testing.T) {
	binary := program.Build(t, raceFlag...)
	address, err := program.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	// No Postgres is there, so that no start gets as far as readiness.
	p := &Process{Binary: binary, Address: address, Log: &program.Logbook{}, Args: []string{
		"serve", "--listen", address, "--state-dir", filepath.Join(t.TempDir(), "state"), "--jwt-secret", program.Secret,
		"--database-url", "postgres://postgres@127.0.0.1:1/postgres?sslmode=disable",
	}}
	for range 5 {
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		p.End(syscall.SIGTERM)
	}
	for _, f := range p.Faults() {
		t.Errorf("%s; it has printed:\n%s", f.Text, p.Log.Around(f.Time, time.Minute, 0, 0))
	}
}
