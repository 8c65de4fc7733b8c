package channels

import (
	"strings"
	"testing"

	"walcast/protocol"
)

// hookedBox calls answered once a reply was pushed.
type hookedBox struct {
	*box
	answered func()
}

func (b *hookedBox) Push(f *protocol.Frame) {
	b.box.Push(f)
	if answered := b.answered; answered != nil && strings.Contains(string(f.Payload()), "phx_reply") {
		b.answered = nil
		answered()
	}
}

func TestAChannelWhoseJoinIsAnsweredCanBeUnsubscribed(t *testing.T) {
	f := newFixture(t, Config{}, `create table messages (id int primary key)`)
	c := f.connect("anon", "alice")
	known := 0
	c.session.out = &hookedBox{c.box, func() {
		_, channels := f.hub.roster.present()
		known = len(channels)
	}}
	c.join("realtime:room", `{}`)
	if known != 1 {
		t.Errorf("%d channels could be ended when the client had its reply; want the one that was answered", known)
	}
	if n := f.hub.Unsubscribe(Selection{Topic: "room"}); n != 1 {
		t.Errorf("%d channels ended; want one", n)
	}
	c.waitFor(protocol.EventClose, 1)
}
