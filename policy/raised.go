package policy

import (
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// raised remembers when a raising policy of a table, or a right that a role lacks, was
// last logged.
type raised struct {
	mu     sync.Mutex
	logged map[string]time.Time
}

const (
	raisedAgain = 30 * time.Second
	raisedMost  = 1000 // how many tables and roles are remembered
	raisedText  = 200  // how many bytes of an error's text are logged
)

// noteRaised counts the changes or topics that a raising policy concerned. It logs
// each table at most every 30 s. The text of the error may quote rows and claims, so
// it goes nowhere but to the log.
func (pg *postgres) noteRaised(err *AskError, times int) {
	pg.metrics.raised.Add(float64(times))
	if pg.raised.note(err.Table, pg.now()) {
		args := []any{"table", err.Table, "sqlstate", err.SQLState, "text", err.logged()}
		if err.advice != "" {
			args = append(args, "cure", err.advice)
		}
		pg.log.Warn("policy raised", args...)
	}
}

// noteDenied counts a topic that was refused as a role lacks a right that reading
// realtime.messages, or writing to it, needs. It logs each role at most every 30 s for
// either.
func (pg *postgres) noteDenied(err *AskError, role string, reads bool) {
	pg.metrics.raised.Inc()
	command, own := "INSERT", "INSERT on realtime.messages, "
	if reads {
		command, own = "SELECT", ""
	}
	if pg.raised.note(err.Table+" "+command+" as "+role, pg.now()) {
		pg.log.Warn("private topic refused, as the role lacks a right that the policies need", "table", err.Table, "command", command, "role", role,
			"sqlstate", err.SQLState, "text", err.logged(), "cure", "grant to role "+pgx.Identifier{role}.Sanitize()+
				" what the text names ("+own+"SELECT on a table or view, EXECUTE on a function, USAGE on a schema), or have the policy call a SECURITY DEFINER function that looks there")
	}
}

// noteUnfit logs a role that walcast's user may not become, at most every 30 s.
func (pg *postgres) noteUnfit(err *RoleError) {
	if pg.raised.note("role "+err.Role, pg.now()) {
		pg.log.Warn("private topic refused, as walcast's user may not act as the role", "role", err.Role, "user", err.User, "cure", err.Cure())
	}
}

// logged is as much of the error's text as is logged.
func (e *AskError) logged() string {
	return strings.ToValidUTF8(e.text[:min(len(e.text), raisedText)], "")
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
