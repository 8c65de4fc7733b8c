package fanout

import (
	"context"
	"slices"
	"sync"
	"time"

	"walcast/channels/live"
	"walcast/policy"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// A client that comes back with a position gets what it has missed, if it is known which
// rows it had at that position. Of a view these are a function of the position, the subject and
// the rules of access. So the keys of a view are kept when its client has gone, and go back
// to where the client is: it may have received less than it was sent. Whose they were does not
// matter, if all who were told the position had rows by the same rules.

// keptViews are the views whose rows are known: those that clients have, and those of clients
// that have gone. It is safe for concurrent use.
type keptViews struct {
	log  *changelog.Log
	most time.Duration // how long they are kept

	mu    sync.Mutex
	eras  map[eraKey]*era
	live  map[viewID]map[*liveView]struct{}
	gone  map[viewID][]*goneView
	order []*goneView // those of gone, the oldest first, and at most as many that are not there any more
	used  int         // how many of order are not there any more
	// floor is up to where clients may have been told positions while they had rows by rules
	// that are not remembered.
	floor wal.Position
}

// eraKey is whose rows of a table go by the same rules.
type eraKey struct{ schema, table, role string }

// era is the newest rules by which rows of a table were sent to a role.
type era struct {
	key    eraKey
	view   *policy.View
	form   string // see live.Reads
	number int    // how often they were others
	users  int    // live and gone views by these and earlier rules
	before int    // live views by earlier rules: while there are some, nobody goes on
	floor  wal.Position
}

// liveView is a view that a client has.
type liveView struct {
	of      *keptViews
	id      viewID
	binding *binding
	era     *era
	number  int // of the era's rules
}

// goneView is a view whose client has gone.
type goneView struct {
	id     viewID
	keys   *live.KeySet
	reads  live.Reads
	last   *lastRows
	at     changelog.Standing // up to where it was sent
	era    *era
	number int
	left   time.Time
	isUsed bool // or was dropped
}

func newKeptViews(log *changelog.Log, keys *live.Keys) *keptViews {
	k := &keptViews{log: log, most: log.Window(), eras: map[eraKey]*era{}, live: map[viewID]map[*liveView]struct{}{}, gone: map[viewID][]*goneView{}}
	if keys != nil {
		keys.OnFull(k.dropOldest)
	}
	return k
}

// begin notes that a client has the rows of a view from now on, by the rules of held.
func (k *keptViews) begin(id viewID, b *binding, held *viewRows) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key := eraKey{b.Spec.Schema, b.Spec.Table, b.subject.Role}
	e := k.eras[key]
	switch {
	case e == nil:
		e = &era{key: key, view: held.view, form: held.reads.Form, floor: k.floor}
		k.eras[key] = e
	case !e.isOf(held.view, held.reads.Form):
		e.number++
		e.before = e.livesIn(k)
		e.view, e.form, e.floor = held.view, held.reads.Form, k.log.Standing().Position
	}
	e.users++
	l := &liveView{of: k, id: id, binding: b, era: e, number: e.number}
	if k.live[id] == nil {
		k.live[id] = map[*liveView]struct{}{}
	}
	k.live[id][l] = struct{}{}
	held.live = l
}

// isOf reports whether the rules are these.
func (e *era) isOf(view *policy.View, form string) bool {
	return e.view.Rules == view.Rules && e.view.Depends == view.Depends && e.form == form && hasColumnsOf(e.view.Relation, view.Relation)
}

// livesIn is how many views clients have by the rules up to now.
func (e *era) livesIn(k *keptViews) (n int) {
	for _, views := range k.live {
		for l := range views {
			if l.era == e {
				n++
			}
		}
	}
	return n
}

// end notes that the client has the rows no more.
func (l *liveView) end() {
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	if delete(l.of.live[l.id], l); len(l.of.live[l.id]) == 0 {
		delete(l.of.live, l.id)
	}
	if l.number != l.era.number {
		l.era.before--
		l.era.floor = later(l.era.floor, l.of.log.Standing().Position)
	}
	l.of.leave(l.era)
}

// leave notes that a view of an era is there no more. k.mu must be held.
func (k *keptViews) leave(e *era) {
	if e.users--; e.users == 0 {
		delete(k.eras, e.key)
		k.floor = later(k.floor, k.log.Standing().Position)
	}
}

// lets reports whether who was told a position had rows by the newest rules, which are those
// of number.
func (e *era) lets(number int, at wal.Position) bool {
	return e.number == number && e.before == 0 && at.Compare(e.floor) > 0
}

// keepCost is what it costs to keep a view, as that of so many keys.
const keepCost = 16

// keep keeps the rows of a view, up to where they were sent, as its client goes. It is false if
// they are not kept.
func (k *keptViews) keep(held *viewRows, last *lastRows, at changelog.Standing) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	l := held.live
	if k.most <= 0 || at.History == (changelog.History{}) || l.number != l.era.number || !held.keys.Reaches(at.Position) {
		return false
	}
	for !held.keys.Keep(keepCost) {
		if !k.drop(time.Time{}) {
			return false
		}
	}
	g := &goneView{id: l.id, keys: held.keys, reads: held.reads, last: last, at: at, era: l.era, number: l.number, left: time.Now()}
	l.era.users++
	k.gone[g.id] = append(k.gone[g.id], g)
	k.order = append(k.order, g)
	return true
}

// use takes out a view whose client has gone, if a client that comes back to a position may go on
// with it, and goes back to there; nil for none. Its keys count for an account then. The caller must call release once the rows are
// in use, or not wanted.
func (k *keptViews) use(id viewID, of policy.Account, at changelog.Standing) *goneView {
	k.mu.Lock()
	defer k.mu.Unlock()
	var found *goneView
	for _, g := range k.gone[id] {
		if g.at.History == at.History && g.at.Position.Compare(at.Position) >= 0 && g.keys.Reaches(at.Position) && g.era.lets(g.number, at.Position) &&
			(found == nil || g.at.Position.Compare(found.at.Position) < 0) {
			found = g
		}
	}
	if found != nil {
		k.takeOut(found)
		if k.used++; 2*k.used > len(k.order) {
			k.order, k.used = slices.DeleteFunc(k.order, func(g *goneView) bool { return g.isUsed }), 0
		}
		found.keys.Use(of)
		found.keys.Rewind(at.Position)
	}
	return found
}

// takeOut takes a view out of those that are kept. k.mu must be held.
func (k *keptViews) takeOut(g *goneView) {
	g.isUsed = true
	k.gone[g.id] = slices.DeleteFunc(k.gone[g.id], func(o *goneView) bool { return o == g })
	if len(k.gone[g.id]) == 0 {
		delete(k.gone, g.id)
	}
}

// release has what use has returned count no more.
func (k *keptViews) release(g *goneView) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.leave(g.era)
}

// others are views that clients have and that another client may go on with from a position.
func (k *keptViews) others(id viewID, at wal.Position) (bindings []*binding) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for l := range k.live[id] {
		if l.era.lets(l.number, at) {
			bindings = append(bindings, l.binding)
		}
	}
	return bindings
}

// rules are the newest by which rows of a table were sent to a role; nil if none are known.
func (k *keptViews) rules(key eraKey) (view *policy.View, form string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if e := k.eras[key]; e != nil && e.before == 0 {
		return e.view, e.form
	}
	return nil, ""
}

// mayHave reports whether a view of a client that comes back may go on.
func (k *keptViews) mayHave(b *binding) bool {
	view, _ := k.rules(eraKey{b.Spec.Schema, b.Spec.Table, b.subject.Role})
	return view != nil
}

// dropOldest drops the view whose client has gone first. It is false if there is none.
func (k *keptViews) dropOldest() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.drop(time.Time{})
}

// drop drops the view whose client has gone first, if that was before a time, unless it is zero.
// k.mu must be held.
func (k *keptViews) drop(before time.Time) bool {
	for len(k.order) > 0 {
		g := k.order[0]
		if !g.isUsed && !before.IsZero() && g.left.After(before) {
			return false
		}
		k.order[0] = nil
		k.order = k.order[1:]
		if g.isUsed {
			k.used--
			continue
		}
		k.takeOut(g)
		g.keys.Drop()
		k.leave(g.era)
		return true
	}
	return false
}

// run drops what was kept for long enough, until ctx is done.
func (k *keptViews) run(ctx context.Context) error {
	ticker := time.NewTicker(max(k.most/10, time.Second))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-ticker.C:
			k.dropAll(now.Add(-k.most))
		}
	}
}

func (k *keptViews) dropAll(before time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for k.drop(before) {
	}
}
