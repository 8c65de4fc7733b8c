package fanout

import (
	"strings"
	"unique"

	"walcast/replication/wal"
)

// Topic names a topic. A public and a private one of the same name are two.
type Topic struct {
	Name    string // with the prefix "realtime:"
	Private bool
}

// topicID is a topic that is compared by one word.
type topicID = unique.Handle[Topic]

// Messages reads messages from SQL.
type Messages interface {
	// Message reads a logical message, or a row inserted into realtime.messages.
	// It returns nil if nobody gets it. leads says that the caller is the one of
	// all that read the log who reports what cannot be delivered.
	Message(c *wal.Change, leads bool) (Topic, Message)
}

// Message is a message from SQL as one delivery has read it.
type Message interface {
	// Sent notes that the message is about to reach the members of its topic. It
	// is called once for each message, by the direct lane of the topic's shard.
	Sent()
	// Deliver hands the message to a member of its topic. It must not block.
	Deliver(member any)
}

// message is a message from SQL among the matches of a batch.
type message struct {
	Message
	topic  topicID
	change *wal.Change
	isOld  bool // it was committed while nobody read the log, or is read again after a restart
	leads  bool
	before int // index of the match that comes next
}

// carriesMessage reports whether a change may be a message from SQL: a logical
// message or a row of realtime.messages.
func carriesMessage(c *wal.Change) bool {
	return c.Operation == wal.Message || c.Operation == wal.Insert && holdsMessages(c.Relation)
}

// holdsMessages reports whether a relation is realtime.messages or a partition
// of it. Its rows are messages, never row changes for a binding.
func holdsMessages(rel *wal.Relation) bool {
	return rel.Schema == "realtime" && (rel.Table == "messages" || strings.HasPrefix(rel.Table, "messages_"))
}
