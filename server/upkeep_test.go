package server

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"walcast/migrations"
)

// TestAFailingUpkeepIsLoggedOnceForACause, again after an hour, and counted each time.
func TestAFailingUpkeepIsLoggedOnceForACause(t *testing.T) {
	var log bytes.Buffer
	registry := prometheus.NewRegistry()
	u := newUpkeep(nil, nil, slog.New(slog.NewTextHandler(&log, nil)), registry)
	entries := func() int {
		n := strings.Count(log.String(), "\n")
		log.Reset()
		return n
	}
	may, away, start := errors.New(`role "a" may not: run "walcast migrate --grant-to a"`), errors.New("connection\nrefused"), time.Now()
	for _, step := range []struct {
		name  string
		after time.Duration
		err   error
		lines int
	}{
		{"at first", 0, may, 1},
		{"a minute later", time.Minute, may, 0},
		{"59 minutes later", 59 * time.Minute, may, 0},
		{"an hour later", time.Hour, may, 1},
		{"another cause", 61 * time.Minute, away, 1},
		{"it goes on", 62 * time.Minute, away, 0},
		{"the first cause", 63 * time.Minute, may, 1},
	} {
		u.failed(step.err, start.Add(step.after))
		if strings.Contains(log.String(), "may not") && !strings.Contains(log.String(), "--grant-to a") {
			t.Errorf("%s: the log lacks the cure: %s", step.name, log.String())
		}
		if got := entries(); got != step.lines {
			t.Errorf("%s: %d lines are logged; want %d", step.name, got, step.lines)
		}
	}
	counted, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if got := counted[0].GetMetric()[0].GetCounter().GetValue(); got != 7 {
		t.Errorf("%v failures are counted; want 7", got)
	}
	u.succeeded()
	u.succeeded()
	if got := entries(); got != 1 {
		t.Errorf("%d lines are logged as it works again; want 1", got)
	}
	u.failed(may, start.Add(64*time.Minute))
	if got := entries(); got != 1 {
		t.Errorf("%d lines are logged of the first cause after it had worked; want 1", got)
	}
	u.tell(migrations.Upkeep{Refused: []string{"messages_2026_01_01"}})
	if !strings.Contains(log.String(), "messages_2026_01_01") || !strings.Contains(log.String(), "--grant-to ROLE") {
		t.Errorf("partitions that may not be made are logged as %s; want them and the cure", log.String())
	}
}

// TestAStandbyLeavesTheUpkeepAlone: it has no pool here to look after anything.
func TestAStandbyLeavesTheUpkeepAlone(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	u := newUpkeep(nil, func() bool { cancel(); return true }, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err := u.run(ctx); err != nil {
		t.Errorf("run = %v; want nil", err)
	}
}
