package channels

import (
	"walcast/channels/fanout"
	"walcast/channels/topics"
	"walcast/protocol"
	"walcast/replication/wal"
)

// sqlMessages has package fanout read messages from SQL as package topics
// understands them.
type sqlMessages struct{ topics *topics.Topics }

// Message implements fanout.Messages.
func (m sqlMessages) Message(c *wal.Change, reports bool) (protocol.Topic, fanout.Message) {
	topic, read := m.topics.Message(c, reports)
	if read == nil {
		return protocol.Topic{}, nil
	}
	return topic, sqlMessage{read}
}

type sqlMessage struct{ *topics.Message }

// Deliver implements fanout.Message.
func (m sqlMessage) Deliver(member any) { m.Message.Deliver(member.(*topics.Member)) }
