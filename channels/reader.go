package channels

import (
	"container/list"
	"context"
	"errors"
	"slices"
	"time"

	"walcast/channels/resume"
	"walcast/policy"
	"walcast/protocol"
)

// reader is a channel on a private topic or, once the channel has ended, its
// client. What changes is guarded by the lock of readers.
type reader struct {
	access   *access
	bookmark *resume.Bookmark // nil without a client_id
	element  *list.Element    // in readers.queue; nil once it was removed

	channel *channel        // nil once it has ended
	subject *policy.Subject // that the channel acted as when it ended
	left    time.Time       // when the channel ended

	askedAt    time.Time     // when the last check began
	answeredAt time.Time     // when the last check began that was answered
	took       time.Duration // by Postgres, for that check
}

// takes is how long a check of the reader takes if it is slow, 0 if it is not.
func (r *reader) takes() time.Duration {
	if r.took <= readQuick {
		return 0
	}
	return r.took
}

// The values of the result label of walcast_channels_read_checks_total.
const (
	resultKept   = "kept"
	resultLost   = "lost"   // the channel ended
	resultFailed = "failed" // the same, as a policy raised
	resultAway   = "away"   // Postgres could not be asked
)

// readerKey is what readers have in common that share an answer.
type readerKey struct {
	subject        *policy.Subject
	topic, headers string
}

// checkRound is what is asked at once about some readers.
type checkRound struct {
	began  time.Time
	checks []policy.ReadCheck
	asking [][]*reader // the readers of each check
}

// ask asks about some readers, and has the answers take effect. It is false if
// Postgres could not be asked.
func (rs *readers) ask(ctx context.Context, due []*reader) bool {
	q := rs.checksOf(due)
	defer q.release(rs.policy)
	answers := rs.policy.MayReadAll(ctx, q.checks)
	if ctx.Err() != nil {
		return false
	}
	var away error
	for i, answer := range answers {
		if isAway(answer.Err) {
			away = answer.Err
		}
		for _, r := range q.asking[i] {
			rs.conclude(r, q.checks[i], q.began, answer)
		}
	}
	if away != nil {
		rs.logger.Warn("private channels not checked again", "err", away, "retry_in", readRetry)
		rs.retry()
	}
	return away == nil
}

// retry has the readers that got no answer asked first again.
func (rs *readers) retry() {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.urgent.note()
	rs.urgent.next = now().Add(readRetry)
}

// checksOf makes the checks about some readers. Those of one subject follow
// each other, and readers of one subject and topic share one.
func (rs *readers) checksOf(due []*reader) *checkRound {
	q := &checkRound{began: now()}
	at := map[readerKey]int{}
	for _, r := range due {
		subject, presence := rs.subjectOf(r)
		if subject == nil {
			continue // the channel has ended meanwhile
		}
		key := readerKey{subject, r.access.topic.Name, string(r.access.topic.Headers)}
		i, known := at[key]
		if known {
			rs.policy.Release(subject)
		} else {
			i = len(q.checks)
			at[key] = i
			q.checks = append(q.checks, policy.ReadCheck{Subject: subject, Topic: r.access.topic})
			q.asking = append(q.asking, nil)
		}
		q.checks[i].Presence = q.checks[i].Presence || presence
		q.asking[i] = append(q.asking[i], r)
	}
	q.sort()
	return q
}

// subjectOf is the subject as which to ask about a reader, which the caller must
// release, and whether to ask about presence too.
func (rs *readers) subjectOf(r *reader) (s *policy.Subject, presence bool) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if r.channel != nil {
		return r.access.hold(), r.access.known().presenceAsked
	}
	if r.subject == nil {
		return nil, false
	}
	return rs.policy.Subject(r.subject.Role, r.subject.Claims), false
}

// sort brings together the checks of each subject.
func (q *checkRound) sort() {
	firstAt := map[*policy.Subject]int{}
	order := make([]int, len(q.checks))
	for i, check := range q.checks {
		if _, known := firstAt[check.Subject]; !known {
			firstAt[check.Subject] = i
		}
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return firstAt[q.checks[a].Subject] - firstAt[q.checks[b].Subject] })
	checks, asking := make([]policy.ReadCheck, len(order)), make([][]*reader, len(order))
	for to, from := range order {
		checks[to], asking[to] = q.checks[from], q.asking[from]
	}
	q.checks, q.asking = checks, asking
}

func (q *checkRound) release(p *policy.Policy) {
	for _, check := range q.checks {
		p.Release(check.Subject)
	}
}

// isAway reports whether an error says that Postgres could not be asked. Other
// errors are answers.
func isAway(err error) bool { return err != nil && !policy.IsAnswer(err) }

// conclude acts on the answer for one reader.
func (rs *readers) conclude(r *reader, q policy.ReadCheck, began time.Time, a policy.ReadAnswer) {
	c, unanswered := rs.answered(r, began, a)
	switch {
	case c == nil && isAway(a.Err):
		return // its right grows old
	case c == nil && a.Err == nil && a.Grants.ReadBroadcast:
		r.bookmark.Allowed(began)
	case c == nil:
		r.bookmark.Bar()
	case isAway(a.Err):
		rs.count(resultAway)
		if unanswered > rs.config.away {
			c.revoke(protocol.RefuseDatabaseAway.Text, false)
		}
	case !c.acts(q.Subject):
		// A new token came, and was asked about.
	case a.Err == nil && (a.Grants.ReadBroadcast || a.Grants.ReadPresence):
		rs.count(resultKept)
		c.allow(q.Subject, began, a.Grants, q.Presence)
	case a.Err == nil, errors.Is(a.Err, policy.ErrUnknownRole):
		rs.count(resultLost)
		c.revoke(protocol.MessageNoLongerReadable(c.access.topic.Name), true)
	default:
		rs.count(resultFailed)
		c.revoke(failure(a.Err, c.access), false)
	}
}

// answered notes that an answer came, or says for how long none has come. c is
// nil if the channel has ended.
func (rs *readers) answered(r *reader, began time.Time, a policy.ReadAnswer) (c *channel, unanswered time.Duration) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if !isAway(a.Err) {
		r.answeredAt, r.took = began, a.Took
	}
	return r.channel, now().Sub(r.answeredAt)
}

func (rs *readers) count(result string) { rs.metrics.checks.WithLabelValues(result).Inc() }

// failure is what a channel is told if it cannot be known what it may read.
func failure(err error, a *access) string {
	if unprepared := policy.Unprepared(err); unprepared != nil {
		return unprepared.Error()
	}
	return protocol.RefuseRead(a.topic.Name).Text
}
