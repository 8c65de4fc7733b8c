package policy

import (
	"sync"
	"time"
)

// raised remembers when the log was told of a table whose policies raise.
type raised struct {
	mu   sync.Mutex
	told map[string]time.Time
}

const raisedAgain = 30 * time.Second

// noteRaised counts what a raising policy cost, and tells the log of each table
// at most every 30 s. Messages of Postgres may quote rows and claims: they go
// to the subject only.
func (p *Policy) noteRaised(err *AskError, times int) {
	p.metrics.raised.Add(float64(times))
	p.raised.mu.Lock()
	defer p.raised.mu.Unlock()
	now := p.now()
	if last, ok := p.raised.told[err.Table]; ok && now.Sub(last) < raisedAgain {
		return
	}
	p.raised.told[err.Table] = now
	p.log.Warn("policy raised", "table", err.Table, "sqlstate", err.SQLState)
}
