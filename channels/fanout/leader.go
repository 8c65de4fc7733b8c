package fanout

import "walcast/replication/wal"

// leader is what a direct lane has beside the others for messages from SQL: it
// is the first of its shard to be told of those on the shard's topics. It is
// guarded by the lane's lock.
type leader struct {
	owns    func(t Topic) bool // a topic of the lane's shard
	reports bool               // messages that nobody gets
	newest  newest
}

// newest has the position of the newest message from SQL on topics whose clients
// may come back for some. Who has no bindings and has missed none then need not
// read the log, nor be told of what has left it.
type newest map[topicID]noted

// noted is what is known of one topic.
type noted struct {
	since wal.Position // all messages after it were noted
	last  wal.Position // the last one of them, since if there was none
}

// newestLimit is how many topics of a shard are noted. Who comes back for one
// that is not reads the log.
const newestLimit = 1 << 15

// watch has messages on a topic noted that come after a position.
func (n newest) watch(t topicID, after wal.Position) {
	if _, watched := n[t]; watched {
		return
	}
	for other := range n {
		if len(n) < newestLimit {
			break
		}
		delete(n, other)
	}
	n[t] = noted{since: after, last: after}
}

// note takes in the position of a message.
func (n newest) note(t topicID, at wal.Position) {
	if of, watched := n[t]; watched {
		n[t] = noted{since: of.since, last: at}
	}
}

// excludes reports whether it is certain that no message on the topic came after
// a position.
func (n newest) excludes(t topicID, after wal.Position) bool {
	of, watched := n[t]
	return watched && after.Compare(of.since) >= 0 && after.Compare(of.last) >= 0
}

// restart forgets what came before a position: messages may be missing.
func (n newest) restart(after wal.Position) {
	for t := range n {
		n[t] = noted{since: after, last: after}
	}
}
