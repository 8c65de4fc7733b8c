package fanout

import (
	"context"
	"strings"
	"time"

	"walcast/channels/live"
	"walcast/diagnose"
	"walcast/protocol"
	"walcast/replication/wal"
)

// isOutdated reports whether who may see what is known to have changed since the
// snapshot, so that views take another one.
func (r *rowsSending) isOutdated(taken *live.Snapshot) bool {
	for i, of := range r.bindings {
		if of.Spec.View && isOutdated(r.catchup.fanout.policy, taken.Views[i], r.subject) {
			r.isAgain = true
			return true
		}
	}
	return false
}

// Snapshots that follow each other within snapshotsSoon are taken after pauses that grow, up
// to rowsRetry: a change can stay in the log for long before a snapshot sees it, or what
// decides about the rows may change all the time.
const (
	snapshotsSoon = time.Second
	restFirst     = 10 * time.Millisecond
)

// noteSent notes that a snapshot was sent.
func (a *awaiting) noteSent(now time.Time) {
	if a.inARow++; !a.hadRows || now.Sub(a.sentAt) > snapshotsSoon+a.pause() {
		a.inARow = 0
	}
	a.hadRows, a.sentAt = true, now
}

// pause is how long after the last snapshot the next is taken.
func (a *awaiting) pause() time.Duration {
	if a.inARow == 0 {
		return 0
	}
	return min(restFirst<<min(a.inARow, 16), rowsRetry)
}

// rest waits until the next snapshot may be taken. It is false when ctx is done.
func (r *rowsSending) rest(ctx context.Context) bool {
	var rest time.Duration
	r.with(func(s *Subscription) { rest = s.pause() - time.Since(s.sentAt) })
	return rest <= 0 || r.pauseFor(ctx, rest)
}

// hold begins to note which rows are sent to views.
func (r *rowsSending) hold(taken *live.Snapshot) {
	r.held = make([]*viewRows, len(r.bindings))
	for i, of := range r.bindings {
		if of.Spec.View {
			r.held[i] = &viewRows{keys: r.catchup.fanout.config.Keys.Set(r.subject.Account()), view: taken.Views[i], reads: taken.Reads[i], checked: time.Now()}
		}
	}
}

// note notes rows that are sent to a view. It is false, and the binding has ended, if there
// are too many.
func (r *rowsSending) note(s *Subscription, binding int, keys []live.Key) bool {
	for _, key := range keys {
		if !r.held[binding].keys.Add(key, wal.Position{}) {
			of := r.bindings[binding]
			s.endBinding(&r.catchup.delivery, of, *diagnose.ViewTooLarge(of, s.fanout.config.Keys.Most()))
			return false
		}
	}
	return true
}

// keysIn is how many rows the views of a group have; nil if there is no view.
func (r *rowsSending) keysIn(g *rowGroup) (keys *int) {
	for _, i := range g.of {
		if r.held[i] != nil {
			if keys == nil {
				keys = new(int)
			}
			*keys += r.held[i].keys.Len()
		}
	}
	return keys
}

// empty takes all rows from a view whose subject may not have any of them any more, and
// tells its client why, once. It goes on without rows until that changes. It is false for
// all other refusals.
func (r *rowsSending) empty(s *Subscription, refused *live.RefusedError) bool {
	of, rows := r.bindings[refused.Binding], r.rows[refused.Binding]
	code := refused.Problem.Code
	if !r.isCurrent(s) || !of.Spec.View || rows.last == nil || code != protocol.CodeSnapshotDenied && code != protocol.CodeKeyNotGranted {
		return false
	}
	view := rows.last.view
	if now, ok := s.fanout.policy.Known(view.Relation, r.subject); ok && now != nil {
		view = now
	}
	if last := *rows.last; last.denied != code {
		last.denied = code
		rows.last = &last
		r.sendEmpty(s, of, rows, refused.Problem)
	}
	rows.drop()
	s.rows[of] = &firstRows{last: rows.last, held: &viewRows{keys: s.fanout.config.Keys.Set(r.subject.Account()), view: view, isDenied: true, checked: time.Now()}}
	r.catchup.from = s.progress.rows
	r.catchup.delivery.standings.restart(s.progress.rows)
	return true
}

func (r *rowsSending) sendEmpty(s *Subscription, of *diagnose.Binding, rows *firstRows, problem protocol.Problem) {
	ids, address := []byte(idsOf(of)), s.request.Address
	at, none := s.progress.rows.Position.Text(), 0
	s.request.Outbox.Push(address.Problem(protocol.StatusOK, problem.Warning()))
	s.request.Outbox.Push(address.SnapshotBegins(protocol.SnapshotBegin{
		Bindings: ids, Key: rows.last.head.Key, Order: rows.last.head.Order, Snapshot: rows.last.visible, Reason: rows.reason,
	}))
	s.request.Outbox.Push(address.SnapshotEnds(protocol.SnapshotEnd{Bindings: ids, Snapshot: rows.last.visible, Position: at, Keys: &none}))
}

// warn tells the client of views whose rows depend on what nothing tells of, once for each
// reason.
func (r *rowsSending) warn(s *Subscription, taken *live.Snapshot, g *rowGroup) {
	for _, i := range g.of {
		hidden := strings.Join(taken.Reads[i].Hidden, ", ")
		n := s.indexOf(r.bindings[i])
		if n < 0 || s.bindings[n].asView == nil || s.bindings[n].asView.hidden == hidden {
			continue
		}
		if s.bindings[n].asView.hidden = hidden; hidden != "" {
			s.fanout.complaints.noteHidden(r.bindings[i], hidden)
			problem := diagnose.Rechecked(r.bindings[i], taken.Reads[i].Hidden, s.fanout.config.ViewRecheck)
			s.request.Outbox.Push(s.request.Address.Problem(protocol.StatusOK, problem.Warning()))
		}
	}
}
