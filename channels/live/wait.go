package live

import (
	"time"

	"walcast/protocol"
	"walcast/replication/catalog"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// Channel is what a Tracker needs to know of a channel. All methods are safe for
// concurrent use.
type Channel interface {
	// Address is where its frames go.
	Address() protocol.Address
	// Push sends frames after all that it has sent. It is false, and sends
	// nothing, when the channel has ended.
	Push(frames ...*protocol.Frame) bool
	// PushAt is Push of what f makes of where the channel is: it has sent everything up to
	// there that it is to get, and nothing beyond. f must not call a Channel.
	PushAt(f func(at changelog.Standing) []*protocol.Frame) bool
}

// wait is what a channel's client waits for.
type wait struct {
	ref      protocol.Ref
	goal     protocol.Goal
	position wal.Position      // of the goal; zero for others
	history  changelog.History // in which it was asked, and the position is
	asked    time.Time
	// isAccepted says that the reply is ok, isRefused that there is no such
	// transaction; neither, that it is not known yet.
	isAccepted, isRefused, isReplied bool
	// due is the moment up to which everything has to be sent; nil until it is
	// known, and for a position.
	due *moment
}

// moment is what Postgres has said, and where in the log that is.
type moment struct {
	catalog.Moment
	at        changelog.Standing // everything that the snapshot sees is before it
	taken     time.Time
	isFlushed bool // Postgres was asked to flush its WAL up to there
}

// reaches reports whether everything before the moment has been sent by a channel
// at a standing.
func (m *moment) reaches(at changelog.Standing) bool {
	return m.at.History == at.History && m.at.Position.Compare(at.Position) <= 0
}

// take takes in what Postgres has said after the client asked.
func (w *wait) take(m *moment) {
	xid := w.goal.XID
	switch {
	case w.due != nil:
	case xid == 0 || m.HasEnded(xid):
		w.due, w.isAccepted = m, true
	case m.HasBegun(xid):
		w.isAccepted = true
	default:
		w.isRefused = !w.isAccepted // else that was said while Postgres could not be asked
	}
}

// begin has Postgres asked anew in another history. A position of the one
// before means nothing there.
func (w *wait) begin(h changelog.History) {
	if w.history == h {
		return
	}
	w.history, w.due, w.position = h, nil, wal.Position{}
}

// refusal is why the client may not wait for it, nil if it may.
func (w *wait) refusal() error {
	if w.isRefused {
		return protocol.RefuseUnknownXID
	}
	return nil
}

// replyTo is the reply to the push with a ref: ok, or why not.
func replyTo(a protocol.Address, ref protocol.Ref, refused error) *protocol.Frame {
	status, response := protocol.StatusOK, protocol.EmptyObject
	if refused != nil {
		status, response = protocol.StatusError, protocol.Reason(refused)
	}
	return a.Version.ReplyTo(protocol.Message{Ref: ref, Topic: a.Topic}, a.JoinRef, status, response)
}

// isOpen reports whether Postgres has to be asked for it.
func (w *wait) isOpen() bool { return w.due == nil && !w.isRefused }

// answer is the newest moment that a channel has sent everything of that is at a
// standing, if that ends the wait; else nil.
func (w *wait) answer(at changelog.Standing, known []*moment) *moment {
	if at.History != w.history {
		return nil
	}
	isSent := w.due != nil && w.due.reaches(at)
	if !w.position.IsZero() {
		isSent = w.position.Compare(at.Position) <= 0
	}
	if !isSent {
		return nil
	}
	for i := len(known) - 1; i >= 0; i-- {
		if known[i].reaches(at) {
			return known[i]
		}
	}
	if w.due != nil && w.due.reaches(at) {
		return w.due
	}
	return nil
}
