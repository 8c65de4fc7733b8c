package topics

import (
	"encoding/binary"
	"fmt"
	"sync"
	"testing"

	"walcast/protocol"
)

// listener is an Outbox that checks the order of each sender's broadcasts.
type listener struct {
	mu    sync.Mutex
	next  []uint32 // by sender
	heard int
	fault string
}

// Push expects the last eight bytes of a broadcast to be sender and number.
func (l *listener) Push(f *protocol.Frame) {
	data := f.Payload()
	sender, number := binary.BigEndian.Uint32(data[len(data)-8:]), binary.BigEndian.Uint32(data[len(data)-4:])
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next[sender] != number && l.fault == "" {
		l.fault = fmt.Sprintf("sender %d: number %d instead of %d", sender, number, l.next[sender])
	}
	l.next[sender] = number + 1
	l.heard++
}

func TestEveryMemberGetsEveryBroadcastInItsSendersOrder(t *testing.T) {
	f := newFixture(t, Config{})
	const senders, receivers, each = 100, 1000, 5
	to := protocol.Address{Version: protocol.V2, Topic: room.Name}
	var listeners []*listener
	var members []*Member
	for range receivers + senders {
		l := &listener{next: make([]uint32, senders)}
		listeners = append(listeners, l)
		members = append(members, f.Join(room, MemberConfig{Address: to, Outbox: l}))
	}
	var wait sync.WaitGroup
	for i := range senders {
		wait.Go(func() {
			for n := range each {
				payload := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(i)), uint32(n))
				members[receivers+i].Broadcast(protocol.Broadcast{Event: "e", Payload: payload})
			}
		})
	}
	wait.Wait()
	for i, l := range listeners[:receivers] {
		if l.fault != "" || l.heard != senders*each {
			t.Fatalf("receiver %d heard %d, %s; want %d in order", i, l.heard, l.fault, senders*each)
		}
	}
}

func TestATopicEndsWithItsLastMemberAndNothingIsLostMeanwhile(t *testing.T) {
	f := newFixture(t, Config{})
	const goroutines, rounds = 8, 500
	var wait sync.WaitGroup
	for i := range goroutines {
		wait.Go(func() {
			for n := range rounds {
				b := &box{}
				m := f.Join(room, MemberConfig{Address: protocol.Address{Topic: room.Name}, Outbox: b, Self: true})
				m.Broadcast(text(i*rounds + n))
				m.Leave()
				if len(b.frames) == 0 {
					t.Error("a member has not got what was broadcast while it was there")
				}
			}
		})
	}
	wait.Wait()
	if got := f.value("walcast_channels_topics", ""); got != 0 || len(f.byKey) != 0 {
		t.Errorf("%v topics are counted and %d are there; want none", got, len(f.byKey))
	}
}

func TestPublicAndPrivateTopicsOfOneNameAreTwo(t *testing.T) {
	f := newFixture(t, Config{})
	_, public := f.join(room, MemberConfig{})
	_, private := f.join(protocol.Topic{Name: room.Name, Private: true}, MemberConfig{})
	f.Publish(room, text(1))
	f.Publish(protocol.Topic{Name: room.Name, Private: true}, text(2))
	public.want(t, "the public member", "broadcast 1.")
	private.want(t, "the private member", "broadcast 2.")
}

func BenchmarkBroadcast(b *testing.B) {
	for _, members := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprintf("members=%d", members), func(b *testing.B) {
			f := newFixture(nil, Config{})
			var sender *Member
			for range members + 1 {
				sender = f.Join(room, MemberConfig{Address: protocol.Address{Version: protocol.V2, Topic: room.Name}, Outbox: discard{}})
			}
			b.ReportAllocs()
			for b.Loop() {
				sender.Broadcast(text(1))
			}
		})
	}
}

type discard struct{}

func (discard) Push(*protocol.Frame) {}
