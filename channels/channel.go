package channels

import (
	"context"
	"sync/atomic"

	"walcast/channels/fanout"
	"walcast/channels/resume"
	"walcast/channels/topics"
	"walcast/presence"
	"walcast/protocol"
	"walcast/replication/changelog"
)

// channel is one joined topic of one session: the sum of its members, each with
// its own state and lock. A new join of the same topic is a new channel.
// Messages reach it on its session's goroutine; any goroutine may end it.
type channel struct {
	session  *Session
	address  protocol.Address
	terms    terms
	weight   weight // what it counts for in its session's limits
	out      *outbox
	access   *access              // the subject that it acts as, and what that may do on the topic
	rows     *fanout.Subscription // its bindings, and how far it has come in the log
	member   *topics.Member       // its part in the topic's broadcasts
	present  *presence.Member     // its part in the topic's presence
	bookmark *resume.Bookmark     // what its client has received; nil without a client_id
	ended    atomic.Bool

	reception reception // what it receives of a private topic at present
}

// terms are what a join has said of the messages about it.
type terms struct {
	closeRef protocol.Ref // join_ref exactly as given, for phx_close and phx_error
	acks     bool         // broadcasts are answered
}

// handle acts on a message for a joined topic.
func (c *channel) handle(ctx context.Context, m protocol.Message) {
	switch m.Event {
	case protocol.EventBroadcast:
		c.broadcast(ctx, m)
	case protocol.EventPresence:
		c.handlePresence(ctx, m)
	case protocol.EventAccessToken:
		c.refresh(ctx, m)
	case protocol.EventPosition:
		c.tellPosition(m)
	case protocol.EventProgress:
		c.askProgress(m)
	default:
		// Unknown events are never answered, as by upstream.
	}
}

// end takes the channel out of everything. When it returns nothing else is
// pushed for the channel, so that what the caller pushes next is its last
// frame. It is false if the channel has ended before. With lingers, what it
// tracks stays present for the grace time.
func (c *channel) end(lingers bool) bool {
	if !c.ended.CompareAndSwap(false, true) {
		return false
	}
	h := c.session.hub
	c.out.deferral.abandon()
	h.arming.armed.remove(c)
	c.session.ledger.Remove(c)
	c.rows.Close()
	h.progress.Forget(c)
	c.member.Leave()
	c.present.Leave(lingers)
	c.bookmark.Leave(now())
	h.expiry.forget(c)
	h.roster.left(c)
	h.readers.leave(c)
	h.metrics.channels.Dec()
	c.access.release()
	return true
}

// fail ends the channel with a system error. final says whether the client is
// meant to stay away (phx_close) or to join again (phx_error). A join that was not
// answered yet is refused.
func (c *channel) fail(message string, final bool) {
	if c.out.deferral.refuse(protocol.Refusal{Text: message}) {
		return
	}
	if !c.end(!final) {
		return
	}
	c.system(protocol.ExtensionSystem, protocol.StatusError, message)
	switch {
	case c.session.streams():
		c.session.out.Close(protocol.CloseNormal, "")
	case final:
		c.pushClose()
	default:
		c.session.out.Push(c.aboutJoin(protocol.EventError, protocol.ChannelCrash))
	}
}

func (c *channel) pushClose() { c.session.out.Push(c.closing()) }

// closing is the frame that tells the client that the channel has ended.
func (c *channel) closing() *protocol.Frame {
	return c.aboutJoin(protocol.EventClose, protocol.EmptyObject)
}

// aboutJoin is a frame about the join itself, with the join's ref.
func (c *channel) aboutJoin(event string, payload []byte) *protocol.Frame {
	ref := c.terms.closeRef
	return c.address.Version.Push(ref, ref, c.address.Topic, event, payload)
}

func (c *channel) system(extension, status, message string) {
	c.out.Push(c.address.System(extension, status, message))
}

// subscribed tells that the bindings work.
func (c *channel) subscribed() {
	c.system(protocol.ExtensionPostgres, protocol.StatusOK, protocol.MessageSubscribed)
}

func (c *channel) problem(status string, p protocol.Problem) {
	c.out.Push(c.address.Problem(status, p))
}

func (c *channel) reply(m protocol.Message, status string, response []byte) {
	c.session.reply(c.address.JoinRef, m, status, response)
}

// tellPosition answers a client that asks up to which position its channel has
// sent everything. A client that names positions so keeps up with the log while
// no row matches.
func (c *channel) tellPosition(m protocol.Message) {
	var position, history string
	if len(c.rows.Bindings()) > 0 {
		position, history = written(c.session.hub.log, c.rows.Standing())
	}
	c.reply(m, protocol.StatusOK, protocol.Position(position, history))
}

// askProgress takes a push that asks how far the channel is.
func (c *channel) askProgress(m protocol.Message) {
	progress := c.session.hub.progress
	progress.Ask(c, m.Ref, m.Payload)
	if c.ended.Load() {
		progress.Forget(c)
	}
}

// Address is where the channel's frames go.
func (c *channel) Address() protocol.Address { return c.address }

// Push sends frames after all that the channel has sent. It is false when the
// channel has ended.
func (c *channel) Push(frames ...*protocol.Frame) bool { return c.rows.Push(frames...) }

// PushAt is Push of what f makes of where the channel is.
func (c *channel) PushAt(f func(at changelog.Standing) []*protocol.Frame) bool {
	return c.rows.PushAt(f)
}

// pulse pushes the sign of life of an event stream, with the position up to
// which it has sent everything if it has bindings.
func (c *channel) pulse() {
	if !c.rows.HasBindings() {
		c.out.Push(protocol.StreamAlive(""))
		return
	}
	c.rows.PushAlive()
}

// Standing is up to where everything in the log has been pushed that the
// channel is to get.
func (c *channel) Standing() changelog.Standing { return c.rows.Standing() }

// Heard is the number up to which all broadcasts to its topic have been pushed.
func (c *channel) Heard() uint64 { return c.member.Heard() }

// Bookmark is what the channel's client has received.
func (c *channel) Bookmark() *resume.Bookmark { return c.bookmark }
