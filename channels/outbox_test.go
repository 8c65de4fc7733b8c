package channels

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"walcast/protocol"
)

// order is an Outbox that notes what it gets.
type order struct {
	mu     sync.Mutex
	frames []*protocol.Frame
}

func (o *order) Push(f *protocol.Frame) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.frames = append(o.frames, f)
}

func (o *order) Close(int, string) {}

func TestOutboxSendsTheReplyFirst(t *testing.T) {
	var got order
	box := newOutbox(&Session{out: &got})
	a := protocol.Address{Version: protocol.V2, Topic: "realtime:room"}
	reply, early, late := a.Push("reply", protocol.EmptyObject), a.Push("early", protocol.EmptyObject), a.Push("late", protocol.EmptyObject)
	box.Push(early)
	if len(got.frames) != 0 {
		t.Fatalf("%d frames are sent before the reply", len(got.frames))
	}
	next := a.Push("next", protocol.EmptyObject)
	box.open(reply, next)
	box.Push(late)
	box.discard() // too late
	if want := []*protocol.Frame{reply, early, next, late}; !slices.Equal(got.frames, want) {
		t.Errorf("frames = %v; want the reply, what came before it, what follows it, what came later", got.frames)
	}
}

func TestOutboxSendsNothingOnceItIsDiscarded(t *testing.T) {
	var got order
	box := newOutbox(&Session{out: &got})
	frame := protocol.Address{Version: protocol.V2, Topic: "realtime:room"}.Push("e", protocol.EmptyObject)
	box.Push(frame)
	box.discard()
	box.Push(frame)
	if box.open(frame, frame) || len(got.frames) > 0 || len(box.waiting) > 0 {
		t.Errorf("%d frames are sent and %d kept; want the reply to be refused, and nothing kept", len(got.frames), len(box.waiting))
	}
}

func TestOutboxKeepsTheOrderOfEachSenderWhileItOpens(t *testing.T) {
	var got order
	box := newOutbox(&Session{out: &got})
	a := protocol.Address{Version: protocol.V2, Topic: "realtime:room"}
	frames := make([]*protocol.Frame, 1000)
	for i := range frames {
		frames[i] = a.Push("e", protocol.EmptyObject)
	}
	reply := a.Push("reply", protocol.EmptyObject)
	var sender sync.WaitGroup
	sender.Go(func() {
		for _, f := range frames {
			box.Push(f)
		}
	})
	box.open(reply)
	sender.Wait()
	i := slices.Index(got.frames, reply)
	if i != 0 || !slices.Equal(got.frames[1:], frames) {
		t.Errorf("reply is frame %d of %d; want it first and the others in order", i, len(got.frames))
	}
}

func TestOutboxHasACatchUpWaitForTheReply(t *testing.T) {
	var got order
	box := newOutbox(&Session{out: &got})
	a := protocol.Address{Version: protocol.V2, Topic: "realtime:room"}
	var catchUp sync.WaitGroup
	row := a.Push("row", protocol.EmptyObject)
	catchUp.Go(func() {
		box.Room(t.Context(), 100)
		if !box.isOpen.Load() {
			t.Error("there is room before the reply")
		}
		box.Push(row)
	})
	reply := a.Push("reply", protocol.EmptyObject)
	box.open(reply)
	catchUp.Wait()
	if want := []*protocol.Frame{reply, row}; !slices.Equal(got.frames, want) {
		t.Errorf("frames = %v; want the reply, then the row", got.frames)
	}

	refused := newOutbox(&Session{out: &got})
	catchUp.Go(func() { refused.Room(t.Context(), 100) })
	refused.discard() // must let the catch-up go on, to its end
	catchUp.Wait()
}

func TestOutboxBoundsWhatWaitsForAReplay(t *testing.T) {
	var got order
	box := newOutbox(&Session{out: &got})
	a := protocol.Address{Version: protocol.V2, Topic: "realtime:room"}
	large := a.Push("row", []byte(`{"x":"`+strings.Repeat("x", 400)+`"}`))
	if !box.bound(1000, func() { box.Push(large); box.Push(large) }) {
		t.Error("two frames of 400 bytes are more than 1000; want room for them")
	}
	if box.bound(1000, func() { box.Push(large) }) {
		t.Error("three frames of 400 bytes fit into 1000; want them refused")
	}
	if len(box.waiting) != 0 {
		t.Errorf("%d frames are kept beyond the bound; want none", len(box.waiting))
	}
}
