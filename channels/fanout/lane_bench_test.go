package fanout

import (
	"context"
	"fmt"
	"testing"

	"walcast/protocol"
	"walcast/replication/wal"
)

// nowhere is an outbox whose frames go nowhere.
type nowhere struct{ pushed int }

func (n *nowhere) Push(*protocol.Frame)    { n.pushed++ }
func (*nowhere) Room(context.Context, int) {}

// BenchmarkDeliver is rows on their way from a lane to the outboxes: each to one
// of many subscriptions, and each to all of them.
func BenchmarkDeliver(b *testing.B) {
	for _, subscriptions := range []int{10, 1000, 10_000} {
		for to, filter := range map[string]string{"one": "channel_id=eq.%d", "all": "id=gt.%d"} {
			b.Run(fmt.Sprintf("subscriptions=%d/to=%s", subscriptions, to), func(b *testing.B) {
				f := newIdleFixture(b, messagesTable)
				f.config.Shards = 1
				f.renew()
				f.log.Begin(firstHistory, f.lsn, "")
				rel, out := f.relation("messages"), &nowhere{}
				for i := range subscriptions {
					n := i
					if to == "all" {
						n = 0
					}
					r := f.request(nil, ask{bindings: `{"event":"*","schema":"public","table":"messages","filter":"` + fmt.Sprintf(filter, n) + `"}`})
					r.Outbox, r.Member = out, nil
					f.fanout.Subscribe(r, Start{})
				}
				benchmarkDeliver(b, f, rel, subscriptions)
				if out.pushed < b.N*takeLimit {
					b.Errorf("%d frames for %d rows; want one for each at least", out.pushed, b.N*takeLimit)
				}
			})
		}
	}
}

func benchmarkDeliver(b *testing.B, f *fixture, rel *wal.Relation, subscriptions int) {
	direct, at, next := f.fanout.shards[0].direct, f.lsn+0x100, 0
	changes := make([]*wal.Change, takeLimit)
	b.ReportAllocs()
	for b.Loop() {
		at += 0x100
		for i := range changes {
			next++
			changes[i] = insert(rel, fmt.Sprint(next), fmt.Sprint(next%subscriptions), "somebody says something")
			changes[i].Position = wal.Position{LSN: at, Seq: uint32(i)}
		}
		direct.deliver(b.Context(), changes)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*takeLimit), "ns/row")
}
