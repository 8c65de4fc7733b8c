package policy

import (
	"strings"
	"sync"
	"time"
)

// raised remembers when the log was told of a table whose policies raise.
type raised struct {
	mu     sync.Mutex
	logged map[string]time.Time
}

const (
	raisedAgain = 30 * time.Second
	raisedMost  = 1000 // tables that are remembered
	raisedText  = 200  // bytes of a text in the log
)

// noteRaised counts what a raising policy cost, and tells the log of each table
// at most every 30 s. Texts may quote rows and claims: only the log has them.
func (pg *postgres) noteRaised(err *AskError, times int) {
	pg.metrics.raised.Add(float64(times))
	if pg.raised.note(err.Table, pg.now()) {
		pg.log.Warn("policy raised", "table", err.Table, "sqlstate", err.SQLState, "text", strings.ToValidUTF8(err.text[:min(len(err.text), raisedText)], ""))
	}
}

// note reports whether it is time to tell of the table.
func (r *raised) note(table string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if last, ok := r.logged[table]; ok && now.Sub(last) < raisedAgain {
		return false
	}
	if len(r.logged) >= raisedMost {
		clear(r.logged)
	}
	r.logged[table] = now
	return true
}
