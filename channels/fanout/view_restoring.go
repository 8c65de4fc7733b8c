package fanout

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"walcast/diagnose"
	"walcast/policy"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// viewID is equal for views that have the same rows at a position, if they have them by the
// same rules.
type viewID [sha256.Size]byte

// viewIDOf returns the id of a view of a subject.
func viewIDOf(p *policy.Policy, b *diagnose.Binding, s *policy.Subject, view *policy.View) viewID {
	who := ""
	if view.RowSecurity {
		if who = conditionOf(p, view, s); who == "" { // it may be that Postgres is asked
			who = "claims " + s.Claims
		}
	}
	text := fmt.Appendf(nil, "%q %q %d %q %q %t %q", s.Role, who, view.Relation.OID, b.Spec.Filter, b.Spec.Select, b.Spec.Select == nil, fmt.Sprint(b.Spec.Int8AsString))
	return sha256.Sum256(text)
}

// beginHeld notes that a client has the rows of a view from now on, if they are a function of
// the log and the rules.
func (k *keptViews) beginHeld(p *policy.Policy, b *binding, held *viewRows) {
	if held == nil || held.isDenied || len(held.reads.Hidden) > 0 {
		return
	}
	k.begin(viewIDOf(p, b.Binding, b.subject, held.view), b, held)
}

// keepRows keeps the rows of all views as the client goes, who has been sent everything up to a
// standing at most, and forgets what cannot be kept.
func (s *Subscription) keepRows(at changelog.Standing) {
	for _, b := range s.bindings {
		held := b.held()
		if held == nil || held.live == nil || !s.fanout.kept.keep(held, b.rows().last, at) {
			continue
		}
		held.live.end()
		held.keys, held.live = nil, nil
	}
	s.forgetRows()
}

// returning is a view that a client names a position of, which is looked for.
type returning struct {
	of      *diagnose.Binding
	subject *policy.Subject
	after   wal.Position
}

// restore has views go on whose clients have named a position, where it is known which rows they
// have there. It is called before anything is sent; the log has the standing.
func (c *catchup) restore(ctx context.Context, at changelog.Standing) {
	wanted := c.returning()
	if len(wanted) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, exactWait)
	defer cancel()
	if _, err := c.fanout.policy.Confirm(ctx, time.Now()); err != nil {
		return
	}
	for _, w := range wanted {
		if held, last := c.rowsOf(ctx, w, at.History); held != nil {
			c.goOnWith(w, held, last)
		}
	}
}

func (c *catchup) returning() (all []returning) {
	c.delivery.mu.Lock()
	defer c.delivery.mu.Unlock()
	if c.hasLeft() {
		return nil
	}
	for _, b := range c.subscription.bindings {
		if r := b.rows(); r != nil && r.named && b.Spec.View {
			all = append(all, returning{b.Binding, b.subject, b.after})
		}
	}
	return all
}

// rowsOf finds the rows that a client has at the position that it names; nil if they are not known.
func (c *catchup) rowsOf(ctx context.Context, w returning, history changelog.History) (*viewRows, *lastRows) {
	f := c.fanout
	view, form := f.kept.rules(eraKey{w.of.Spec.Schema, w.of.Spec.Table, w.subject.Role})
	if view == nil || !f.config.Snapshots.Confirms(w.after) {
		return nil, nil
	}
	now, err := f.policy.View(ctx, view.Relation, w.subject)
	if err != nil || !(&era{view: view, form: form}).isOf(now, form) {
		return nil, nil
	}
	id := viewIDOf(f.policy, w.of, w.subject, now)
	if g := f.kept.use(id, w.subject.Account(), changelog.Standing{History: history, Position: w.after}); g != nil {
		held := &viewRows{keys: g.keys, view: now, reads: g.reads, checked: time.Now(), gone: g}
		return held, g.last
	}
	for _, b := range f.kept.others(id, w.after) {
		if held, last := b.copyAt(w, now); held != nil {
			return held, last
		}
	}
	return nil, nil
}

// copiedMost is how many keys are copied at most while a lane waits.
const copiedMost = 20_000

// copyAt returns a copy of the rows of a view as they were at a position; nil if it has not come
// as far, or that is not known. A client whose connection has broken may be back before that
// is noticed.
func (b *binding) copyAt(w returning, view *policy.View) (held *viewRows, last *lastRows) {
	at := w.after
	b.subscription.withDelivery(func(d *delivery) {
		had := b.held()
		if had == nil || had.live == nil || had.keys.Len() > copiedMost || !had.keys.Reaches(at) || d.standings.reached(b.subscription).Position.Compare(at) < 0 {
			return
		}
		if keys := had.keys.CloneAt(at, w.subject.Account()); keys != nil {
			held, last = &viewRows{keys: keys, view: view, reads: had.reads, checked: time.Now()}, b.rows().last
		}
	})
	return held, last
}

// goOnWith has a view go on with rows, unless something has happened to it or to the rules
// meanwhile.
func (c *catchup) goOnWith(w returning, held *viewRows, last *lastRows) {
	c.delivery.mu.Lock()
	defer c.delivery.mu.Unlock()
	s := c.subscription
	if g := held.gone; g != nil {
		held.gone = nil
		defer c.fanout.kept.release(g)
	}
	n := s.indexOf(w.of)
	if c.hasLeft() || n < 0 || s.bindings[n].subject != w.subject || !s.bindings[n].rows().named || !held.isCurrent(c.fanout.policy, w.subject) {
		held.drop()
		return
	}
	s.rows[w.of] = &firstRows{held: held, last: last}
	s.hadRows = true // a snapshot that comes later is to be newer than what has happened
	c.fanout.kept.beginHeld(c.fanout.policy, s.bindings[n], held)
	c.delivery.matcher.attached.views.isStale = true
}
