package fanout

import (
	"errors"
	"strings"
	"sync"
	"time"

	"walcast/diagnose"
)

// complaints remembers when the log was told of a table on which filters raise.
type complaints struct {
	mu   sync.Mutex
	told map[string]time.Time
}

const (
	complainAgain = 30 * time.Second
	complainMost  = 1000 // tables that are remembered
	complainText  = 200  // bytes of a text in the log
)

// noteFilter tells the log of a filter that raised, of each table at most every
// 30 s. Texts may quote rows: only the log has them.
func (f *Fanout) noteFilter(err error) {
	var filter *diagnose.FilterError
	if errors.As(err, &filter) && f.complaints.note(filter.Table, time.Now()) {
		text := filter.Err.Message
		f.logger.Warn("filter raised", "table", filter.Table, "sqlstate", filter.Err.SQLState,
			"text", strings.ToValidUTF8(text[:min(len(text), complainText)], ""))
	}
}

// note reports whether it is time to tell of the table.
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
