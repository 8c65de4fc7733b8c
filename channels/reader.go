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

	askedAt    time.Time // when the last question began
	answeredAt time.Time // when the last question that was answered began
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

// inquiry is the questions about some readers.
type inquiry struct {
	began     time.Time
	questions []policy.ReadCheck
	asking    [][]*reader // the readers of each question
}

// ask asks about some readers, and has the answers take effect. It is false if
// Postgres could not be asked.
func (rs *readers) ask(ctx context.Context, batch []*reader) bool {
	q := rs.inquire(batch)
	defer q.release(rs.policy)
	answers := rs.policy.MayReadAll(ctx, q.questions)
	if ctx.Err() != nil {
		return false
	}
	var away error
	for i, answer := range answers {
		if isAway(answer.Err) {
			away = answer.Err
		}
		for _, r := range q.asking[i] {
			rs.conclude(r, q.questions[i], q.began, answer)
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

// inquire makes the questions about some readers. Those of one subject follow
// each other, and readers of one subject and topic share one.
func (rs *readers) inquire(batch []*reader) *inquiry {
	q := &inquiry{began: now()}
	at := map[readerKey]int{}
	for _, r := range batch {
		subject, presence := rs.whoAsks(r)
		if subject == nil {
			continue // the channel has ended meanwhile
		}
		key := readerKey{subject, r.access.topic.Name, string(r.access.topic.Headers)}
		i, known := at[key]
		if known {
			rs.policy.Release(subject)
		} else {
			i = len(q.questions)
			at[key] = i
			q.questions = append(q.questions, policy.ReadCheck{Subject: subject, Topic: r.access.topic})
			q.asking = append(q.asking, nil)
		}
		q.questions[i].Presence = q.questions[i].Presence || presence
		q.asking[i] = append(q.asking[i], r)
	}
	q.sort()
	return q
}

// whoAsks is the subject as which to ask about a reader, which the caller must
// release, and whether to ask about presence too.
func (rs *readers) whoAsks(r *reader) (s *policy.Subject, presence bool) {
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

// sort brings together the questions of each subject.
func (q *inquiry) sort() {
	firstAt := map[*policy.Subject]int{}
	order := make([]int, len(q.questions))
	for i, question := range q.questions {
		if _, known := firstAt[question.Subject]; !known {
			firstAt[question.Subject] = i
		}
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return firstAt[q.questions[a].Subject] - firstAt[q.questions[b].Subject] })
	questions, asking := make([]policy.ReadCheck, len(order)), make([][]*reader, len(order))
	for to, from := range order {
		questions[to], asking[to] = q.questions[from], q.asking[from]
	}
	q.questions, q.asking = questions, asking
}

func (q *inquiry) release(p *policy.Policy) {
	for _, question := range q.questions {
		p.Release(question.Subject)
	}
}

// isAway reports whether an error says that Postgres could not be asked. Other
// errors are answers.
func isAway(err error) bool {
	var raised *policy.AskError
	return err != nil && !errors.As(err, &raised) && !errors.Is(err, policy.ErrUnknownRole) &&
		!errors.Is(err, policy.ErrNoMessagesTable) && !errors.Is(err, policy.ErrMissingPartition) && !errors.Is(err, policy.ErrNotGranted)
}

// conclude acts on the answer for one reader.
func (rs *readers) conclude(r *reader, q policy.ReadCheck, began time.Time, a policy.ReadAnswer) {
	c, unanswered := rs.answered(r, began, isAway(a.Err))
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
func (rs *readers) answered(r *reader, began time.Time, away bool) (c *channel, unanswered time.Duration) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if !away {
		r.answeredAt = began
	}
	return r.channel, now().Sub(r.answeredAt)
}

func (rs *readers) count(result string) { rs.metrics.checks.WithLabelValues(result).Inc() }

// failure is what a channel is told if its question could not be answered.
func failure(err error, a *access) string {
	if errors.Is(err, policy.ErrNoMessagesTable) || errors.Is(err, policy.ErrMissingPartition) || errors.Is(err, policy.ErrNotGranted) {
		return err.Error()
	}
	return protocol.RefuseRead(a.topic.Name).Text
}
