package channels

import (
	"walcast/channels/fanout"
	"walcast/channels/topics"
	"walcast/replication/wal"
)

// sqlMessages has package fanout read messages from SQL as package topics
// understands them.
type sqlMessages struct{ topics *topics.Topics }

// Message implements fanout.Messages.
func (m sqlMessages) Message(c *wal.Change, reports bool) (fanout.Topic, fanout.Message) {
	key, read := m.topics.Message(c, reports)
	if read == nil {
		return fanout.Topic{}, nil
	}
	return fanout.Topic(key), sqlMessage{read}
}

type sqlMessage struct{ *topics.Message }

// Deliver implements fanout.Message.
func (m sqlMessage) Deliver(member any) { m.Message.Deliver(member.(*topics.Member)) }
