package fanout

import (
	"hash/maphash"
	"runtime"

	"walcast/protocol"
)

// shard matches the changes for its share of the topics. Subscriptions whose
// rows are not for everybody to see are on a lane of their own, so that the
// others never wait for Postgres.
type shard struct {
	direct, secured *lane
}

// shardCount is one for each processor that Go uses: more would only cost memory, as
// every lane looks at every change.
func shardCount() int { return runtime.GOMAXPROCS(0) }

func (f *Fanout) addShards(n int) {
	for i := range n {
		f.shards = append(f.shards, newShard(f, i == 0))
	}
}

// newShard makes the lanes of a shard. Of all shards only the first logs the
// messages from SQL that cannot be delivered.
func newShard(f *Fanout, isFirst bool) *shard {
	s := &shard{direct: &lane{fanout: f, cursor: f.log.Follow()}, secured: &lane{fanout: f, cursor: f.log.Follow()}}
	s.secured.ahead, s.secured.moved = s.direct, make(chan struct{}, 1)
	s.secured.delivery.init(f, secured, moves{toCatchUp: s.secured.moveToCatchUp}, nil)
	s.direct.secured = s.secured
	s.direct.notes = &messageNotes{
		owns:    func(t protocol.Topic) bool { return f.shardOf(t.Name) == s },
		reports: isFirst,
		newest:  newestMessages{},
	}
	s.direct.delivery.init(f, direct, moves{toSecured: s.direct.moveToSecured, toCatchUp: s.direct.moveToCatchUp}, s.direct.notes)
	return s
}

// shardOf returns the shard of a topic. All channels of a topic are on one
// shard, so that a frame which several of them get is built once.
func (f *Fanout) shardOf(topicName string) *shard {
	return f.shards[maphash.String(f.seed, topicName)%uint64(len(f.shards))]
}
