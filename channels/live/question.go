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
	// Standing is up to where it has sent everything that it is to get.
	Standing() changelog.Standing
	// Push sends frames after all that it has sent. It is false, and sends
	// nothing, when the channel has ended.
	Push(frames ...*protocol.Frame) bool
}

// question is what a channel's client waits for.
type question struct {
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

// take takes in what Postgres has said after the question was asked.
func (q *question) take(m *moment) {
	xid := q.goal.XID
	switch {
	case q.due != nil:
	case xid == 0 || m.HasEnded(xid):
		q.due, q.isAccepted = m, true
	case m.HasBegun(xid):
		q.isAccepted = true
	default:
		q.isRefused = !q.isAccepted // else that was said while Postgres could not be asked
	}
}

// begin has the question asked anew in another history. A position of the one
// before means nothing there.
func (q *question) begin(h changelog.History) {
	if q.history == h {
		return
	}
	q.history, q.due, q.position = h, nil, wal.Position{}
}

// refusal is why the question was refused, nil if it was not.
func (q *question) refusal() error {
	if q.isRefused {
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

// waits reports whether Postgres has to be asked for the question.
func (q *question) waits() bool { return q.due == nil && !q.isRefused }

// answer is the newest moment that a channel has sent everything of that is at a
// standing, if that answers the question; else nil.
func (q *question) answer(at changelog.Standing, known []*moment) *moment {
	if at.History != q.history {
		return nil
	}
	isSent := q.due != nil && q.due.reaches(at)
	if !q.position.IsZero() {
		isSent = q.position.Compare(at.Position) <= 0
	}
	if !isSent {
		return nil
	}
	for i := len(known) - 1; i >= 0; i-- {
		if known[i].reaches(at) {
			return known[i]
		}
	}
	if q.due != nil && q.due.reaches(at) {
		return q.due
	}
	return nil
}
