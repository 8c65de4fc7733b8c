package fanout

import (
	"context"

	"walcast/diagnose"
	"walcast/policy"
	"walcast/protocol"
	"walcast/replication/changelog"
)

// Request is what a channel asks for.
type Request struct {
	Address  protocol.Address
	Topic    protocol.Topic
	Subject  *policy.Subject
	Bindings []diagnose.Binding
	// After has for each binding the position after which its client wants
	// rows, zero for a binding without one, which starts live. It is for a
	// Named start, where one binding at least has a position.
	After []changelog.Named
	// Member gets the messages from SQL, nil for none.
	Member any
	Outbox Outbox
	// Session is what the channel's session shares between its subscriptions.
	// It is required.
	Session *Session
	Checks
	// Dedicated says that the bindings cost too much for a lane that many
	// share: the subscription has a delivery of its own.
	Dedicated bool
	Client
}

// Client is what the client of a channel expects.
type Client struct {
	Legacy bool // changes come under their operation's name, as old clients have it
	// Recognised says that the client has a client_id, and expects to get the
	// messages from SQL that it has missed when it comes back.
	Recognised bool
	// Histories says that the client is told a history beside a position.
	Histories bool
}

// Checks is what checks of the bindings have to do with the rows. No func may be nil.
type Checks struct {
	// Published is called when the first row comes of the table that Idle
	// bindings wait for.
	Published func(schema, table string)
	// Broken reports whether a binding that worked was found not to any more. It is
	// called with the lock of a delivery held.
	Broken func(*protocol.Binding) bool
	// Doubtful is called, with the lock of a delivery held, when it is found that a binding
	// does not work any more, which its check was not to know: it is to be checked again.
	Doubtful func()
}

// Outbox is all that a subscription needs to know of its channel. It must be
// safe for concurrent use.
type Outbox interface {
	// Push queues a frame. It never blocks.
	Push(*protocol.Frame)
	// Room waits until size more bytes fit easily, the session ends or ctx is done.
	Room(ctx context.Context, size int)
	// Ending reports whether the session ends, so that nothing reaches it any more.
	Ending() bool
}
