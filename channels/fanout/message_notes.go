package fanout

import (
	"walcast/protocol"
	"walcast/replication/wal"
)

// messageNotes is what a direct lane does for messages from SQL that other
// deliveries do not: it calls Sent for messages on the topics of its shard, and
// notes their positions. It is guarded by the lane's lock.
type messageNotes struct {
	owns    func(t protocol.Topic) bool // whether a topic is of the lane's shard
	reports bool                        // the lane has messages logged that cannot be delivered
	newest  newestMessages
}

// newestMessages has the position of the newest message from SQL on topics to
// which clients may come back. If a client without bindings comes back and has
// missed none, it need not read the log, and nothing is lost to it when the log
// has dropped old changes.
type newestMessages map[topicID]newestMessage

// newestMessage is what is known of one topic.
type newestMessage struct {
	since wal.Position // all messages after it were noted
	at    wal.Position // of the newest message; since, if there was none
}

// notedTopics is how many topics of a shard are noted at most. A client that
// comes back to another topic reads the log.
const notedTopics = 1 << 15

// watch begins to note messages on a topic that come after a position.
func (n newestMessages) watch(t topicID, after wal.Position) {
	if _, watched := n[t]; watched {
		return
	}
	for other := range n {
		if len(n) < notedTopics {
			break
		}
		delete(n, other)
	}
	n[t] = newestMessage{since: after, at: after}
}

// note notes the position of a message.
func (n newestMessages) note(t topicID, at wal.Position) {
	if of, watched := n[t]; watched {
		n[t] = newestMessage{since: of.since, at: at}
	}
}

// excludes reports whether it is certain that no message on the topic came
// after a position.
func (n newestMessages) excludes(t topicID, after wal.Position) bool {
	of, watched := n[t]
	return watched && after.Compare(of.since) >= 0 && after.Compare(of.at) >= 0
}

// restart forgets all messages up to a position, as some of them may be
// missing.
func (n newestMessages) restart(after wal.Position) {
	for t := range n {
		n[t] = newestMessage{since: after, at: after}
	}
}
