package channels

import (
	"encoding/binary"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"walcast/protocol"
)

// listener is an Outbox that checks the order of each sender's broadcasts.
type listener struct {
	mu    sync.Mutex
	next  []uint32 // by sender
	heard int
	fault string
}

func (l *listener) Close(int, string) {}

// Push expects the last eight bytes of a broadcast to be sender and number.
func (l *listener) Push(f *protocol.Frame) {
	data := f.Payload()
	if data[0] != 4 {
		return
	}
	sender, number := binary.BigEndian.Uint32(data[len(data)-8:]), binary.BigEndian.Uint32(data[len(data)-4:])
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next[sender] != number && l.fault == "" {
		l.fault = fmt.Sprintf("sender %d: number %d instead of %d", sender, number, l.next[sender])
	}
	l.next[sender] = number + 1
	l.heard++
}

// handle sends an event on the topic of the crowd.
func handle(t *testing.T, s *Session, event, payload string) {
	s.Handle(t.Context(), protocol.Message{
		JoinRef: `"1"`, Ref: `"2"`, Topic: "realtime:crowd", Event: event, Payload: []byte(payload),
	})
}

// TestSoak has 100 senders and 1,000 receivers on one topic, and wants every
// broadcast at every receiver, in its sender's order.
func TestSoak(t *testing.T) {
	f := newFixture(t, DefaultConfig())
	const senders, receivers, each = 100, 1000, 5
	signed := token(t, "anon", "", time.Hour)
	open := func() (*Session, *listener) {
		l := &listener{next: make([]uint32, senders)}
		s := f.hub.Open(l, Identity{Version: protocol.V2, Token: signed})
		t.Cleanup(s.Close)
		handle(t, s, protocol.EventJoin, `{"config":{"presence":{"enabled":false}}}`)
		return s, l
	}
	var listeners []*listener
	for range receivers {
		_, l := open()
		listeners = append(listeners, l)
	}
	var wait sync.WaitGroup
	for i := range senders {
		s, _ := open()
		wait.Add(1)
		go func() {
			defer wait.Done()
			for n := range each {
				payload := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(i)), uint32(n))
				s.Handle(t.Context(), protocol.Message{
					JoinRef: `"1"`, Ref: `"3"`, Topic: "realtime:crowd", Event: protocol.EventBroadcast,
					Kind: protocol.UserBroadcast, UserEvent: "e", Payload: payload,
				})
			}
		}()
	}
	wait.Wait() // a push is done when Handle returns
	for i, l := range listeners {
		if l.fault != "" || l.heard != senders*each {
			t.Fatalf("receiver %d heard %d, %s; want %d in order", i, l.heard, l.fault, senders*each)
		}
	}
}

func TestBroadcastsThatAreRefusedAreAnswered(t *testing.T) {
	config := DefaultConfig()
	config.MaxBroadcastBytes = 2000
	f := newFixture(t, config)
	sender, other := f.connect("anon", ""), f.connect("anon", "")
	sender.join("realtime:room", `{"broadcast":{"ack":true},"presence":{"enabled":false}}`)
	other.join("realtime:room", `{"presence":{"enabled":false}}`)
	large := `{"event":"e","payload":"` + strings.Repeat("x", 2000) + `"}`
	for i, c := range []struct{ payload, reason string }{
		{large, "payload_size_exceeded"},
		{"null", "Broadcast payload must be a map"},
		{"5", "Broadcast payload must be a map"},
		{`"text"`, "Broadcast payload must be a map"},
		{"[1]", "Broadcast payload must be a map"},
		{`{"event":"good"}`, ""},
	} {
		sender.send("realtime:room", protocol.EventBroadcast, c.payload)
		reply := sender.waitFor(protocol.EventReply, i+2)[i+1]
		response := reply.payload["response"].(map[string]any)
		if got, _ := response["reason"].(string); got != c.reason {
			t.Errorf("reason for %.30s = %q; want %q", c.payload, got, c.reason)
		}
	}
	if heard := other.waitFor(protocol.EventBroadcast, 1); len(heard) != 1 || heard[0].payload["event"] != "good" {
		t.Errorf("the other channel heard %v; want the good one only", heard)
	}
}
