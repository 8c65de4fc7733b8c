package fanout

import (
	"slices"
	"time"

	"walcast/channels/live"
	"walcast/diagnose"
	"walcast/policy"
	"walcast/protocol"
	"walcast/replication/wal"
)

// A binding that asks for a snapshot first gets the rows that there are, then the
// changes that these do not have. Until then, and again when the server has lost its
// place, its snapshot is due, and nothing is sent for the binding. A subscription with a
// due snapshot is on a catch-up of its own, which takes the snapshot and sends it; all
// other bindings of the channel wait for that too.

// awaiting is what a subscription knows of its first rows, beyond what its bindings do.
// It is guarded by the lock of its delivery.
type awaiting struct {
	isArmed bool                             // the client was told that its bindings work
	hadRows bool                             // a snapshot was sent to it
	sentAt  time.Time                        // when the last one was
	inARow  int                              // how many before it were sent shortly after each other
	rows    map[*diagnose.Binding]*firstRows // of the bindings that ask for a snapshot; nil without any
}

// firstRows is what is known of the rows that a binding begins with.
type firstRows struct {
	due bool // they are still to be sent
	// isRefused says that the table is not as they need it. They are due again once a check
	// finds that it is; nothing is sent for the binding until then.
	isRefused bool
	reason    protocol.SnapshotReason // why they are sent; "" once they were
	named     bool                    // it goes on from a position that was not looked at yet
	taken     *live.Snapshot          // those that were sent last; nil for none
	// kept is what a view had before its rows were due, if it is only looked whether
	// it would have the same rows now.
	kept *firstRows
	held *viewRows // of a view: the rows that the client has; nil before
	last *lastRows // of a view: what was said of the rows that were sent last; nil before
}

// lastRows is what was said of the rows that were sent to a view last.
type lastRows struct {
	head    live.Head
	visible string // the pg_snapshot
	view    *policy.View
	denied  string // the code by which the client was told that it may have no row, "" if it may
}

// lack reports whether the rows that were sent do not have a change.
func (r *firstRows) lack(c *wal.Change) bool {
	return r == nil || !r.due && !r.isRefused && (r.taken == nil || !r.taken.Sees(c))
}

// rows is what is known of the rows that the binding begins with; nil if it asks for
// none.
func (b *binding) rows() *firstRows {
	if b.subscription.awaiting.rows == nil {
		return nil
	}
	return b.subscription.awaiting.rows[b.Binding]
}

// isDue reports whether the rows of a binding are still to be sent.
func (b *binding) isDue() bool {
	r := b.rows()
	return r != nil && r.due
}

// isSilent reports whether nothing is sent for a binding until its rows are.
func (b *binding) isSilent() bool {
	r := b.rows()
	return r != nil && (r.due || r.isRefused)
}

// demand makes the rows of a binding due that asks for a snapshot, and forgets what the
// client has. They come for a reason, unless the client has not had the first.
func (b *binding) demand(reason protocol.SnapshotReason) {
	r := b.rows()
	if r == nil {
		return
	}
	if r.reason == protocol.SnapshotJoin {
		reason = protocol.SnapshotJoin
	}
	r.drop()
	b.subscription.rows[b.Binding] = &firstRows{due: true, reason: reason, last: r.last}
}

// firstReason is why rows are sent to a client that may have had some before, by which
// it goes on.
func firstReason(hadRows bool) protocol.SnapshotReason {
	if hadRows {
		return protocol.SnapshotResync
	}
	return protocol.SnapshotJoin
}

// doubt makes the snapshots due of bindings that name a position behind which come
// changes that they may have. The lock of s.attachedTo must be held.
func (s *Subscription) doubt() {
	for _, b := range s.bindings {
		if r := b.rows(); r != nil && r.named {
			r.named = false
			r.due = r.due || b.Spec.View || !s.fanout.config.Snapshots.Confirms(b.after) // views go on by restore
		}
	}
}

// begin makes the snapshots due of bindings that name no position from which they go
// on. It is for a subscription that is new.
func (s *Subscription) begin(bindings []diagnose.Binding) {
	for i := range bindings {
		b := s.bindings[i]
		if b.Spec.WantsSnapshot() && s.fanout.config.Snapshots != nil {
			if s.rows == nil {
				s.rows = map[*diagnose.Binding]*firstRows{}
			}
			isNamed := b.Spec.Resume != nil && b.Spec.Resume.From != ""
			goesOn := isNamed && (!b.Spec.View || s.fanout.kept.mayHave(b))
			s.rows[b.Binding] = &firstRows{due: !goesOn, reason: firstReason(isNamed), named: goesOn}
		}
	}
}

// demand makes the snapshots due of all bindings that ask for one, unless they have
// everything up to a position, and reports whether there are any. The lock of
// s.attachedTo, if it has one yet, must be held.
func (s *Subscription) demand(reason protocol.SnapshotReason, lost wal.Position) (any bool) {
	for _, b := range s.bindings {
		r := b.rows()
		if r == nil || !lost.IsZero() && b.after.Compare(lost) >= 0 {
			continue
		}
		if any = true; !r.due || r.kept != nil {
			b.demand(reason)
		}
	}
	return any
}

// awaitsRows reports whether the snapshot of some binding is due. The lock of s.attachedTo
// must be held.
func (s *Subscription) awaitsRows() bool {
	return s.rows != nil && slices.ContainsFunc(s.bindings, func(b *binding) bool { return b.isDue() })
}

// isPlain reports whether some binding is without a snapshot. The lock of s.attachedTo,
// if it has one yet, must be held.
func (s *Subscription) isPlain() bool {
	return slices.ContainsFunc(s.bindings, func(b *binding) bool { return b.rows() == nil })
}

// hasPlace reports whether some binding goes on where it is, while others get their rows
// anew. The lock of s.attachedTo must be held.
func (s *Subscription) hasPlace() bool {
	return slices.ContainsFunc(s.bindings, func(b *binding) bool { return !b.isSilent() })
}

// AwaitsRows reports whether the snapshot of some binding is due: no position counts
// until it has been sent.
func (s *Subscription) AwaitsRows() (due bool) {
	s.withDelivery(func(*delivery) { due = s.awaitsRows() })
	return due
}

// Arm has the snapshots that are due taken, as the client was told that its bindings
// work.
func (s *Subscription) Arm() {
	s.withDelivery(func(d *delivery) {
		s.isArmed = true
		s.again(d)
		d.pacing.signal()
	})
}

// Again has the snapshots taken that were refused as a table was not as they need it: a
// check that began after that finds that it is, unless it finds the binding Broken.
func (s *Subscription) Again() { s.withDelivery(s.again) }

func (s *Subscription) again(d *delivery) {
	at := d.standings.reached(s).Position
	for _, b := range s.bindings {
		if r := b.rows(); r != nil && r.isRefused && !s.request.Broken(b.Spec) {
			b.demand(r.reason)
		}
	}
	d.waiting.takeRows(s, at)
}

// refuse has nothing be sent for a binding whose snapshot is refused as its table is not as it
// needs it, until Again. The client is told by a check, as of all bindings that do not work any
// more. The lock of the delivery must be held.
func (s *Subscription) refuse(of *diagnose.Binding) {
	i := s.indexOf(of)
	if i < 0 {
		return
	}
	was := s.bindings[i].rows()
	was.drop()
	s.rows[of] = &firstRows{isRefused: true, reason: was.reason, last: was.last}
	s.request.Doubtful()
}

// Renew has all snapshots taken anew, as changes may not have come.
func (s *Subscription) Renew() {
	s.withDelivery(func(d *delivery) {
		at := d.standings.reached(s).Position
		s.demand(protocol.SnapshotResync, wal.Position{})
		d.waiting.takeRows(s, at)
	})
}

// drop forgets which rows the client of a view has.
func (r *firstRows) drop() {
	if r.kept != nil {
		r.kept.drop()
	}
	r.held.drop()
	r.held, r.kept = nil, nil
}

// forgetRows forgets the rows of all views.
func (a *awaiting) forgetRows() {
	for _, r := range a.rows {
		r.drop()
	}
}

// EncodeRows returns what encodes the rows of snapshots as those of changes are, values
// above maxBytes cut.
func EncodeRows(maxBytes int) func(b *diagnose.Binding, view *policy.View) func(dst []byte, row wal.Row, at time.Time) []byte {
	return func(b *diagnose.Binding, view *policy.View) func(dst []byte, row wal.Row, at time.Time) []byte {
		columns := newBinding(nil, b, nil).see(view, newTableState(view.Relation))
		return func(dst []byte, row wal.Row, at time.Time) []byte {
			c := &wal.Change{Operation: wal.Insert, Relation: view.Relation, New: row, CommitTime: at}
			return appendData(dst, c, dataKey{columns: columns, as: wal.Insert, fullOld: true, snapshot: true}, maxBytes)
		}
	}
}
