package channels

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"walcast/filters"
	"walcast/policy"
	"walcast/protocol"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// channel is one joined topic of one session. A new join of the same topic is
// a new channel. Messages reach it on its session's goroutine; its end may come
// from any.
type channel struct {
	session  *Session
	topic    *topic
	ref      protocol.Ref // join_ref of pushes and replies; the join's ref when it had none
	closeRef protocol.Ref // join_ref exactly as given, for phx_close and phx_error
	config   channelConfig
	ended    atomic.Bool
	may      permissions
	member   member              // in the topic's presence; guarded by the topic's lock
	deaf     bool                // gets no broadcasts; guarded by the topic's lock
	backlog  *backlog            // until what a replay owes is paid; guarded by the topic's lock
	replayed map[string]struct{} // stored messages had by a replay; guarded by the topic's lock
	held     []held              // messages that wait for rows; guarded by the topic's lock
	returned bool                // its client was here before; guarded by the topic's lock

	who      *bookmarkKey // nil for a client that cannot be recognised
	bookmark *bookmark    // who's, from the join on

	mu      sync.Mutex // guards what a token refresh changes
	token   string
	subject *policy.Subject
	expires time.Time

	// place is where the channel's bindings are matched: a lane, or a catch-up
	// on the way to one; nil without bindings. What follows is guarded by the
	// place's lock.
	place    atomic.Pointer[delivery]
	shard    *shard
	bindings []*binding
	absent   *protocol.Binding // none is active until this one has a table
	history  changelog.History // that from belongs to; zero if unknown
	from     wal.Position      // everything up to here is not for this channel
	since    time.Time         // nor what committed before; zero unless from was unknown
	hits     []*binding        // of the change being delivered
	round    uint64            // the delivery round that hits belongs to
}

// channelConfig is what a join asked for.
type channelConfig struct {
	ack, self bool
	legacy    bool
	refused   *protocol.Problem // why no binding is active, nil if they are
}

// binding is one postgres_changes entry of a channel.
type binding struct {
	channel *channel
	subject *policy.Subject
	spec    *protocol.Binding
	filter  filters.Filter
	events  filters.EventSet
	idText  string       // "[id]", ready for a frame
	after   wal.Position // everything up to here is not for this binding

	// The columns this binding gets, valid for one view.
	view    *policy.View
	columns *columnSet
	told    *wal.Relation // of this state of the table a policy error was told
}

// selector files the binding under what its subject may see.
func (b *binding) selector(p *policy.Policy) filters.Selector {
	return filters.Selector{
		Events: b.events, Schema: b.spec.Schema, Table: b.spec.Table,
		Filter: b.filter, Guard: p.Guard(b.subject),
	}
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
	default:
		// Unknown events are never answered (wire reference 3.1).
	}
}

// end takes the channel out of everything and then says so with farewell,
// which may be nil. Once detached, nothing else is pushed for the channel, so
// the farewell is its last frame. Only the first call does anything.
func (c *channel) end(farewell func()) {
	if !c.ended.CompareAndSwap(false, true) {
		return
	}
	h := c.session.hub
	c.session.ledger.remove(c)
	c.detach()
	h.leave(c)
	h.clients.leaves(c, now())
	h.expiry.forget(c)
	h.metrics.channels.Dec()
	c.mu.Lock()
	subject := c.subject
	c.subject = nil
	c.mu.Unlock()
	h.policy.Release(subject)
	if farewell != nil {
		farewell()
	}
}

// fail ends the channel with a system error. final says whether the client is
// meant to stay away (phx_close) or to join again (phx_error).
func (c *channel) fail(message string, final bool) {
	if !final {
		c.linger()
	}
	c.end(func() {
		c.system(protocol.ExtensionSystem, protocol.StatusError, message)
		if c.session.streams() {
			c.session.out.Close(protocol.CloseNormal, "")
			return
		}
		if final {
			c.pushClose()
			return
		}
		c.push(c.closeRef, c.closeRef, protocol.EventError, protocol.ChannelCrash)
	})
}

func (c *channel) pushClose() {
	c.push(c.closeRef, c.closeRef, protocol.EventClose, protocol.EmptyObject)
}

// system pushes a system event (wire reference 3.9).
func (c *channel) system(extension, status, message string) {
	c.push(c.ref, "", protocol.EventSystem, protocol.System(extension, status, message, c.topic.key.subTopic()))
}

func (c *channel) reply(m protocol.Message, status string, response []byte) {
	c.session.reply(c.ref, m, status, response)
}

func (c *channel) push(joinRef, ref protocol.Ref, event string, payload []byte) {
	c.session.out.Push(c.session.identity.Version.Push(joinRef, ref, c.topic.key.name, event, payload))
}
