package fanout

import (
	"unique"

	"walcast/protocol"
	"walcast/replication/wal"
)

// topicID stands for a Topic, and is compared as fast as a pointer.
type topicID = unique.Handle[protocol.Topic]

// Messages reads messages from SQL.
type Messages interface {
	// Message reads a logical message, or a row inserted into
	// realtime.messages. It returns nil if no member of a topic may get it.
	// reports says that the reason is to be logged: all lanes and catch-ups
	// read a message, and one of them reports.
	Message(c *wal.Change, reports bool) (protocol.Topic, Message)
}

// Message is a message from SQL as one delivery has read it.
type Message interface {
	// Sent notes that the message is about to reach the members of its topic.
	// It is called once for each message, by the direct lane of the topic's
	// shard.
	Sent()
	// Deliver hands the message to a member of its topic. It must not block.
	Deliver(member any)
}

// message is a message from SQL among the matches of a delivery.
type message struct {
	Message
	topic   topicID
	change  *wal.Change
	isOld   bool // it was committed before the log's history began
	isOwned bool // the delivery is the direct lane of the topic's shard, which calls Sent
	before  int  // index of the match that it comes before
}

// carriesMessage reports whether a change may be a message from SQL: a logical
// message or a row of realtime.messages.
func carriesMessage(c *wal.Change) bool {
	return c.Operation == wal.Message || c.Operation == wal.Insert && holdsMessages(c.Relation)
}

// holdsMessages reports whether a relation is realtime.messages or a partition
// of it. Its rows are messages, never row changes for a binding.
func holdsMessages(rel *wal.Relation) bool {
	return protocol.IsMessagesTable(rel.Schema, rel.Table)
}
