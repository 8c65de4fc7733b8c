package policy

import (
	"strings"
	"sync"
	"time"
)

// raised remembers when a raising policy of a table was last logged.
type raised struct {
	mu     sync.Mutex
	logged map[string]time.Time
}

const (
	raisedAgain = 30 * time.Second
	raisedMost  = 1000 // how many tables are remembered
	raisedText  = 200  // how many bytes of an error's text are logged
)

// noteRaised counts the changes or topics that a raising policy concerned. It logs
// each table at most every 30 s. The text of the error may quote rows and claims, so
// it goes nowhere but to the log.
func (pg *postgres) noteRaised(err *AskError, times int) {
	pg.metrics.raised.Add(float64(times))
	if pg.raised.note(err.Table, pg.now()) {
		pg.log.Warn("policy raised", "table", err.Table, "sqlstate", err.SQLState, "text", strings.ToValidUTF8(err.text[:min(len(err.text), raisedText)], ""))
	}
}

// noteUnjudged counts and logs, as noteRaised does, changes that are hidden as nobody
// can judge them. The text is ours.
func (pg *postgres) noteUnjudged(err *AskError, times int) {
	pg.metrics.raised.Add(float64(times))
	if pg.raised.note(err.Table, pg.now()) {
		pg.log.Warn("rows hidden that nobody can judge", "table", err.Table, "text", err.Message, "cure", err.cure)
	}
}

// note reports whether the table is to be logged now.
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
