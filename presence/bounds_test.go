package presence

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"walcast/protocol"
)

// payloadOf is an object of so many bytes.
func payloadOf(size int) json.RawMessage {
	return json.RawMessage(`{"x":"` + strings.Repeat("x", size-len(`{"x":""}`)) + `"}`)
}

func TestAllWhoJoinAtOneVersionOfARoomShareOnePresenceState(t *testing.T) {
	inLobby(t, RoomsConfig{}, func(l *lobby) {
		for i := range 20 {
			l.appear(MemberConfig{Key: fmt.Sprint(i)}, string(payloadOf(50_000)))
		}
		l.awaitFlush()
		var shared *byte
		var own int
		const joiners = 40
		for i := range joiners {
			g := l.enter(MemberConfig{Watches: true, Address: protocol.Address{
				Version: []protocol.Version{protocol.V1, protocol.V2}[i%2], JoinRef: protocol.Ref(fmt.Sprintf(`"%d"`, i)),
			}})
			frame := g.take()[0]
			pieces := frame.AppendPieces(nil)
			if len(pieces) != 3 || len(pieces[1]) < 1_000_000 {
				t.Fatalf("the state comes in %d pieces; want the payload apart from what is around it", len(pieces))
			}
			if shared == nil {
				shared = &pieces[1][0]
			}
			if &pieces[1][0] != shared {
				t.Fatalf("joiner %d has a payload of its own", i)
			}
			own += frame.Size() - len(pieces[1])
		}
		if own > joiners*200 {
			t.Errorf("%d joiners hold %d bytes of their own; want what is around the payload", joiners, own)
		}
	})
}

func TestPresenceOfATopicIsBoundedInBytes(t *testing.T) {
	inLobby(t, RoomsConfig{}, func(l *lobby) {
		var in []*guest
		var err error
		for err == nil && len(in) < 100 {
			g := l.enter(MemberConfig{Key: strings.Repeat("\x01", 1000) + fmt.Sprint(len(in))})
			if _, err = g.Track(payloadOf(60_000), false); err == nil {
				in = append(in, g)
			}
		}
		if !errors.Is(err, protocol.RefuseRoomFull) || len(in) < 25 {
			t.Fatalf("%d members track, then %v; want some dozens and %v", len(in), err, protocol.RefuseRoomFull)
		}
		l.awaitFlush()
		if n := len(l.rooms.State(l.Context(), crowded)); n > roomBytes || n < roomBytes-70_000 {
			t.Errorf("the state has %d bytes; want %d at most", n, roomBytes)
		}
		for range 5 { // a member that is there may go on to change
			if _, err := in[0].Track(payloadOf(59_000), false); err != nil {
				t.Errorf("an update in a full room: %v", err)
			}
			if _, err := in[0].Track(payloadOf(60_000), false); err != nil {
				t.Errorf("an update in a full room: %v", err)
			}
		}
		in[1].Leave(false)
		if _, err := l.enter(MemberConfig{Key: "next"}).Track(payloadOf(60_000), false); err != nil {
			t.Errorf("in the place of one that has left: %v", err)
		}
		l.awaitFlush()
		if n := len(l.rooms.State(l.Context(), crowded)); n > roomBytes {
			t.Errorf("the state has %d bytes; want %d at most", n, roomBytes)
		}
	})
}

func TestPayloadsThatAreHeldBackCountToo(t *testing.T) {
	inLobby(t, RoomsConfig{Rate: Rate{Events: 1, Window: time.Hour}}, func(l *lobby) {
		var held []*guest
		var err error
		for err == nil && len(held) < 100 {
			g := l.appear(MemberConfig{Key: fmt.Sprint(len(held))}, `{}`)
			if _, err = g.Track(payloadOf(60_000), false); err == nil {
				held = append(held, g)
			}
		}
		if !errors.Is(err, protocol.RefuseRoomFull) {
			t.Fatalf("%d payloads are held back, then %v; want %v", len(held), err, protocol.RefuseRoomFull)
		}
		if _, err := held[0].Track(payloadOf(60_000), false); err != nil {
			t.Errorf("in its own place: %v", err)
		}
		in := l.rooms.find(crowded)
		l.pass(time.Hour)
		if n := len(l.rooms.State(l.Context(), crowded)); n > roomBytes || in.heldSize != 0 {
			t.Errorf("the state has %d bytes and %d are held back; want %d at most and none", n, in.heldSize, roomBytes)
		}
		for _, g := range held {
			g.Track(payloadOf(1000), false)
			g.Leave(false)
		}
		if in.heldSize != 0 || len(in.held) != 0 {
			t.Errorf("%d bytes of %d members are held back that have left", in.heldSize, len(in.held))
		}
	})
}

func TestAPayloadOfOneMemberIsBounded(t *testing.T) {
	inLobby(t, RoomsConfig{}, func(l *lobby) {
		ann := l.appear(MemberConfig{Key: "ann"}, `{"n":1}`)
		if _, err := ann.Track(payloadOf(memberBytes+1), false); !errors.Is(err, protocol.RefuseTrackTooLarge) {
			t.Errorf("Track = %v; want %v", err, protocol.RefuseTrackTooLarge)
		}
		l.awaitFlush()
		if state := string(l.rooms.State(l.Context(), crowded)); !strings.Contains(state, `"n":1}`) {
			t.Errorf("the state is %s; want what was tracked before", state)
		}
	})
}

func TestTheLengthOfAStateIsNoLessThanItsPayload(t *testing.T) {
	s := NewState()
	check := func() {
		t.Helper()
		s.Flush()
		if got, least := s.Length(), len(s.Encoded()); got < least || got > least+2*s.Len()+2 {
			t.Errorf("Length = %d; want %d or a little more", got, least)
		}
	}
	for i := range 50 {
		if err := s.Track(ChannelID(i), fmt.Sprint("key ", i%7), payloadOf(20+i), fmt.Sprint("r", i)); err != nil {
			t.Fatal(err)
		}
	}
	check()
	for i := range 50 {
		if i%3 > 0 {
			s.Untrack(ChannelID(i))
		} else if err := s.Track(ChannelID(i), "another", payloadOf(40), fmt.Sprint("s", i)); err != nil {
			t.Fatal(err)
		}
	}
	check()
	for i := range 50 {
		s.Untrack(ChannelID(i))
	}
	check()
}
