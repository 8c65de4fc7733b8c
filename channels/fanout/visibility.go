package fanout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"walcast/policy"
	"walcast/replication/wal"
)

// visibility says who may see what. It asks until Postgres answers: a change
// that cannot be judged must neither be shown nor be lost, so it waits.
type visibility struct {
	policy *policy.Policy
	logger *slog.Logger
}

// askRetry is the pause between two tries to ask Postgres.
const askRetry = 500 * time.Millisecond

// pause waits a moment before Postgres is asked again; false when ctx is done.
func (v visibility) pause(ctx context.Context, message string, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	//nolint:sloglint // a constant of the caller
	v.logger.Warn(message, "err", err, "retry_in", askRetry)
	select {
	case <-ctx.Done():
		return false
	case <-time.After(askRetry):
		return true
	}
}

// view is what a subject's role may see of a relation, nil for a role that
// Postgres does not know. ok is false when ctx is done.
func (v visibility) view(ctx context.Context, rel *wal.Relation, s *policy.Subject) (view *policy.View, ok bool) {
	for {
		view, err := v.policy.View(ctx, rel, s)
		if err == nil || errors.Is(err, policy.ErrUnknownRole) {
			return view, true
		}
		err = fmt.Errorf("grants of role %q on %s.%s: %w", s.Role, rel.Schema, rel.Table, err)
		if !v.pause(ctx, "grants not known, changes of the table wait", err) {
			return nil, false
		}
	}
}

// decide says of every match whether its subject may see the change. Those
// that Postgres has to judge are asked about only if asks, else they are left
// with the verdict Ask. It is false when ctx is done and nothing is decided.
func (v visibility) decide(ctx context.Context, matches []match, asks bool) bool {
	open := false
	for i := range matches {
		m := &matches[i]
		if m.view == nil {
			continue // an unknown role is shown nothing
		}
		if i > 0 && m.isLike(&matches[i-1]) {
			m.verdict = matches[i-1].verdict
		} else {
			m.verdict = v.policy.Verdict(m.view, m.binding.subject)
		}
		m.visible = m.verdict != policy.Ask
		open = open || m.verdict == policy.Ask
	}
	if open && asks {
		return v.ask(ctx, matches)
	}
	return true
}

// isLike reports whether the same verdict is due for both matches.
func (m *match) isLike(o *match) bool {
	return m.change.Relation == o.change.Relation && m.binding.subject == o.binding.subject
}

// inquiryKey is what Postgres is asked at once: as one subject, about one table.
type inquiryKey struct {
	subject  *policy.Subject
	relation *wal.Relation
}

func (m *match) inquiryKey() inquiryKey { return inquiryKey{m.binding.subject, m.change.Relation} }

func (m *match) needsAsking() bool { return m.view != nil && m.verdict == policy.Ask }

// ask has Postgres judge the matches that need it: one statement for each
// subject and table, all on their way together. It is false when ctx is done.
func (v visibility) ask(ctx context.Context, matches []match) bool {
	byKey, inquiries := inquire(matches)
	for err := v.policy.VisibleAll(ctx, inquiries); err != nil; err = v.policy.VisibleAll(ctx, inquiries) {
		if !v.pause(ctx, "row-level security not asked, changes wait", err) {
			return false
		}
	}
	for i := range matches {
		if m := &matches[i]; m.needsAsking() {
			q := byKey[m.inquiryKey()]
			m.visible, m.raised = q.Visible[m.asked], q.Errs[m.asked]
		}
	}
	return true
}

// inquire collects what is to be asked about the matches.
func inquire(matches []match) (byKey map[inquiryKey]*policy.Inquiry, inquiries []*policy.Inquiry) {
	byKey = map[inquiryKey]*policy.Inquiry{}
	for i := range matches {
		m := &matches[i]
		if !m.needsAsking() {
			continue
		}
		q := byKey[m.inquiryKey()]
		if q == nil {
			q = &policy.Inquiry{Subject: m.binding.subject}
			byKey[m.inquiryKey()] = q
			inquiries = append(inquiries, q)
		}
		// Changes come in order, so one that is there already is the last.
		if n := len(q.Changes); n == 0 || q.Changes[n-1] != m.change {
			q.Changes = append(q.Changes, m.change)
		}
		m.asked = len(q.Changes) - 1
	}
	return byKey, inquiries
}

// showsOld says whether the subject may have the whole old row: it may where no
// row-level security applies, and where its policies are compiled and hold for
// the old row too. Otherwise it gets the key.
func (v visibility) showsOld(b *binding, c *wal.Change) bool {
	if c.Old == nil || !b.view.RowSecurity {
		return true
	}
	return v.policy.Verdict(b.view, b.subject) == policy.Compiled && v.policy.SeesOld(c, b.subject)
}
