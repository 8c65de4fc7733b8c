package fanout

import (
	"context"
	"fmt"
	"testing"

	"walcast/internal/logtest"
	"walcast/protocol"
	"walcast/replication/wal"
)

// nowhere is an outbox whose frames go nowhere.
type nowhere struct{ pushed int }

func (n *nowhere) Push(*protocol.Frame)    { n.pushed++ }
func (*nowhere) Room(context.Context, int) {}
func (*nowhere) Ending() bool              { return false }

// BenchmarkDeliver is rows on their way from a lane to the outboxes: each to one
// of many subscriptions, and each to all of them.
func BenchmarkDeliver(b *testing.B) {
	for _, subscriptions := range []int{10, 1000, 10_000} {
		for to, filter := range map[string]string{"one": "channel_id=eq.%d", "all": "id=gt.%d"} {
			b.Run(fmt.Sprintf("subscriptions=%d/to=%s", subscriptions, to), func(b *testing.B) {
				f := newIdleFixture(b, messagesTable)
				f.shards = 1
				f.renew()
				f.Changes.Begin(firstHistory, f.LSN, "")
				rel, out := f.Relation("messages"), &nowhere{}
				for i := range subscriptions {
					n := i
					if to == "all" {
						n = 0
					}
					r := f.request(nil, ask{bindings: `{"event":"*","schema":"public","table":"messages","filter":"` + fmt.Sprintf(filter, n) + `"}`})
					r.Outbox, r.Member = out, nil
					f.fanout.Subscribe(r, Start{})
				}
				benchmarkDeliver(b, f, f.fanout.shards[0].direct, func(n int) *wal.Change {
					return logtest.Insert(rel, fmt.Sprint(n), fmt.Sprint(n%subscriptions), "somebody says something")
				})
				if out.pushed < b.N*takeLimit {
					b.Errorf("%d frames for %d rows; want one for each at least", out.pushed, b.N*takeLimit)
				}
			})
		}
	}
}

// BenchmarkDeliverSecured is rows each of which one of many users may see. Every user
// has a subscription. It includes the looks at the rules of access.
func BenchmarkDeliverSecured(b *testing.B) {
	for _, users := range []int{10, 1000, 10_000} {
		b.Run(fmt.Sprintf("users=%d", users), func(b *testing.B) {
			f := newIdleFixture(b, `create table own (id int primary key, owner uuid); alter table own enable row level security;
				grant select on own to authenticated; create policy own on own for select to authenticated using ((select auth.uid()) = owner)`)
			f.shards = 1
			f.renew()
			f.Changes.Begin(firstHistory, f.LSN, "")
			f.look()
			rel, out := f.Relation("own"), &nowhere{}
			user := func(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n%users) }
			for i := range users {
				r := f.request(nil, ask{role: "authenticated", claims: `{"sub":"` + user(i) + `"}`, bindings: `{"event":"*","schema":"public","table":"own"}`})
				r.Outbox, r.Member = out, nil
				s := f.fanout.Subscribe(r, Start{})
				s.withDelivery(func(d *delivery) { f.fanout.shards[0].direct.moveToSecured(s, f.Changes.Head()) })
			}
			benchmarkDeliver(b, f, f.fanout.shards[0].secured, func(n int) *wal.Change { return logtest.Insert(rel, fmt.Sprint(n), user(n)) })
			if out.pushed < b.N*takeLimit {
				b.Errorf("%d frames for %d rows; want one for each at least", out.pushed, b.N*takeLimit)
			}
		})
	}
}

// BenchmarkDeliverTransactions is rows that are a transaction each, to one of many
// subscriptions: without the end of the transactions in the log, with it, and with
// it told to the subscription.
func BenchmarkDeliverTransactions(b *testing.B) {
	for _, ends := range []string{"none", "unasked", "told"} {
		b.Run("ends="+ends, func(b *testing.B) {
			f := newIdleFixture(b, messagesTable)
			f.shards = 1
			f.renew()
			f.Changes.Begin(firstHistory, f.LSN, "")
			rel, out := f.Relation("messages"), &nowhere{}
			const subscriptions = 1000
			for i := range subscriptions {
				r := f.request(nil, ask{bindings: fmt.Sprintf(`{"event":"*","schema":"public","table":"messages","filter":"channel_id=eq.%d","transactions":%t}`, i, ends == "told")})
				r.Outbox, r.Member = out, nil
				f.fanout.Subscribe(r, Start{})
			}
			benchmarkDeliver(b, f, f.fanout.shards[0].direct, func(n int) *wal.Change {
				if ends != "none" && n%2 == 0 {
					return &wal.Change{Operation: wal.Commit}
				}
				return logtest.Insert(rel, fmt.Sprint(n), fmt.Sprint(n%subscriptions), "somebody says something")
			})
		})
	}
}

// look has the fixture look at the rules of access until the benchmark ends,
// while no lane runs.
func (f *fixture) look() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.policy.Run(ctx) }()
	f.Cleanup(func() {
		cancel()
		<-done
	})
}

func benchmarkDeliver(b *testing.B, f *fixture, l *lane, change func(n int) *wal.Change) {
	ctx, cancel := context.WithCancel(b.Context())
	f.fanout.tasks.open(ctx)
	defer f.fanout.tasks.close()
	defer cancel()
	at, next, rows := f.LSN+0x100, 0, 0
	changes := make([]*wal.Change, takeLimit)
	take := func() {
		for i := range changes {
			next++
			if changes[i] = change(next); i == 0 || changes[i-1].Operation == wal.Commit {
				at += 0x100
			}
			if changes[i].Operation != wal.Commit {
				rows++
			}
			changes[i].Position = wal.Position{LSN: at, Seq: uint32(i)}
		}
	}
	l.delivery.meet(change(1).Relation)
	f.until("the lane knows what the role may see", func() bool {
		l.delivery.mu.Lock()
		defer l.delivery.mu.Unlock()
		return len(l.delivery.matcher.tables.byOID[change(1).Relation.OID].views) > 0
	})
	b.ReportAllocs()
	for b.Loop() {
		take()
		l.delivery.deliver(b.Context(), changes)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(rows), "ns/row")
}
