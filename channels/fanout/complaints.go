package fanout

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"walcast/diagnose"
)

// complaints logs what goes wrong when Postgres is asked. It remembers when it
// last logged something about a table, to keep floods out of the log.
type complaints struct {
	logger *slog.Logger

	mu   sync.Mutex
	told map[string]time.Time // by table, and whether it is about views
}

const (
	complainAgain = 30 * time.Second
	complainMost  = 1000 // tables that are remembered
	complainText  = 200  // bytes of a text in the log
)

// noteFilter logs a filter that raised, for each table at most every 30 s. The
// client is not told the error's text, which may quote rows; only the log has
// it.
func (c *complaints) noteFilter(err error) {
	var filter *diagnose.FilterError
	if errors.As(err, &filter) && c.note(filter.Table, time.Now()) {
		text := filter.Err.Message
		c.logger.Warn("filter raised", "table", filter.Table, "sqlstate", filter.Err.SQLState,
			"text", strings.ToValidUTF8(text[:min(len(text), complainText)], ""))
	}
}

// noteHidden logs what decides about the rows of a view and is not followed, for each
// table at most every 30 s. The client is not told the names of it.
func (c *complaints) noteHidden(b *diagnose.Binding, hidden string) {
	table := b.Spec.Schema + "." + b.Spec.Table
	if c.note("view of "+table, time.Now()) {
		c.logger.Info("view is looked at again at times, as nothing tells of what it depends on", "table", table, "depends_on", hidden)
	}
}

// note reports whether something about the table is to be logged now.
func (c *complaints) note(table string, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if last, ok := c.told[table]; ok && now.Sub(last) < complainAgain {
		return false
	}
	if c.told == nil || len(c.told) >= complainMost {
		c.told = map[string]time.Time{}
	}
	c.told[table] = now
	return true
}

// askRetry is the pause between two tries to ask Postgres.
const askRetry = 500 * time.Millisecond

// pause logs an error and waits a moment before Postgres is asked again. It is
// false when ctx is done.
func (c *complaints) pause(ctx context.Context, message string, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	//nolint:sloglint // a constant of the caller
	c.logger.Warn(message, "err", err, "retry_in", askRetry)
	select {
	case <-ctx.Done():
		return false
	case <-time.After(askRetry):
		return true
	}
}
