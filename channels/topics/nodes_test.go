package topics

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"walcast/protocol"
)

// wire is other nodes that keep what they are sent, and refuse it with an error.
type wire struct {
	held   map[protocol.Topic]Holder
	packed error
	sent   []Carried
	err    error
}

func newWire() *wire { return &wire{held: map[protocol.Topic]Holder{}} }

func (w *wire) Pack(_ protocol.Topic, c Carried) (Parcel, error) { return wired{w, c}, w.packed }

func (w *wire) Hold(key protocol.Topic, by Holder) { w.held[key] |= by }

func (w *wire) Release(key protocol.Topic, by Holder) (ended bool) {
	before := w.held[key]
	if w.held[key] &^= by; w.held[key] == 0 {
		delete(w.held, key)
	}
	return before != 0 && before&^by == 0
}

func (w *wire) Settled(protocol.Topic) <-chan struct{} {
	settled := make(chan struct{})
	close(settled)
	return settled
}

type wired struct {
	to *wire
	c  Carried
}

func (p wired) Send() (Origin, error) {
	p.to.sent = append(p.to.sent, p.c)
	return Origin{}, p.to.err
}

// bell counts what a client is told.
type bell struct{ rung int }

func (b *bell) MissBroadcasts() { b.rung++ }

func TestATopicIsHeldForWhoIsThereAndWhoMayComeBack(t *testing.T) {
	w := newWire()
	f := newFixture(t, Config{Nodes: w})
	plain, _ := f.join(room, MemberConfig{})
	known, _ := f.join(room, MemberConfig{Client: "c", Returning: &Returning{}})
	if got := w.held[room]; got != Members|Absent {
		t.Errorf("with members the topic is held by %b", got)
	}
	f.Publish(room, text(1))
	heard := known.Heard()
	known.Leave()
	plain.Leave()
	if got := w.held[room]; got != Absent {
		t.Errorf("with clients away the topic is held by %b", got)
	}
	f.Receive(room, Carried{Broadcast: text(2)})
	back, box := f.join(room, MemberConfig{Client: "c", Returning: &Returning{Heard: heard}})
	box.want(t, "who comes back", "broadcast 2.")
	heard = back.Heard()
	back.Leave()
	f.Expire(time.Now().Add(3 * time.Hour))
	if got, held := w.held[room]; held {
		t.Errorf("after the window the topic is held by %b", got)
	}
	_, box = f.join(room, MemberConfig{Client: "c", Returning: &Returning{Heard: heard}})
	box.want(t, "who comes back later", `"code":"broadcasts_missed"`)
}

func TestWhatOtherNodesDoNotGet(t *testing.T) {
	w := newWire()
	f := newFixture(t, Config{Nodes: w})
	m, box := f.join(room, MemberConfig{Self: true, Client: "c"})
	w.packed = errors.New("too large")
	if err := m.Broadcast(text(1)); !errors.Is(err, w.packed) || !errors.Is(f.Publish(room, text(1)), w.packed) || !errors.Is(f.Fits(text(1)), w.packed) {
		t.Errorf("Broadcast = %v; want %v", err, w.packed)
	}
	w.packed, w.err = nil, errors.New("away")
	if err := m.Broadcast(text(2)); !errors.Is(err, w.err) || !errors.Is(f.Publish(room, text(3)), w.err) || !errors.Is(f.Publish(protocol.Topic{Name: "realtime:nobody"}, text(4)), w.err) {
		t.Errorf("Broadcast = %v; want %v", err, w.err)
	}
	box.want(t, "the member here", "broadcast 2.", "broadcast 3.")
	if len(w.sent) != 3 || w.sent[0].Client != "c" || w.sent[1].Client != "" {
		t.Errorf("sent %+v; want what was packed, with its client", w.sent)
	}
}

func TestALossIsToldOnce(t *testing.T) {
	f := newFixture(t, Config{Nodes: newWire()})
	joining, _ := f.join(room, MemberConfig{Client: "a", Returning: &Returning{}})
	there, _ := f.join(room, MemberConfig{Client: "b", Returning: &Returning{}})
	deaf, _ := f.join(room, MemberConfig{Client: "c", Returning: &Returning{}, Deaf: true})
	plain, _ := f.join(room, MemberConfig{})
	bells := map[*Member]*bell{there: {}, deaf: {}, plain: {}, joining: {}}
	for _, m := range []*Member{there, deaf, plain} {
		m.Alarm(bells[m])
	}
	f.Lost(room)
	joining.Alarm(bells[joining])
	f.Lost(protocol.Topic{Name: "realtime:nobody"})
	rung := func(m *Member) int { return bells[m].rung }
	if got := []int{rung(there), rung(joining), rung(deaf), rung(plain)}; !slices.Equal(got, []int{1, 1, 0, 0}) {
		t.Errorf("told %v times; want those with a client_id who may hear broadcasts, once", got)
	}
}

// TestOtherNodesMayHaveBroadcastBeforeThisRun has a client come back after a restart.
func TestOtherNodesMayHaveBroadcastBeforeThisRun(t *testing.T) {
	for _, c := range []struct {
		name  string
		nodes Nodes
		want  []string
	}{{"alone", nil, nil}, {"in a cluster", newWire(), []string{`"code":"broadcasts_missed"`}}} {
		t.Run(c.name, func(t *testing.T) {
			before := newFixture(t, Config{})
			m, _ := before.join(room, MemberConfig{Client: "c", Returning: &Returning{}})
			before.Publish(room, text(1))
			heard := m.Heard()
			m.Leave()
			after := newFixture(t, Config{Nodes: c.nodes})
			if err := before.Past().Save(func(v any) error {
				line, err := json.Marshal(v)
				if err != nil {
					return err
				}
				return after.Past().Restore(line)
			}); err != nil {
				t.Fatal(err)
			}
			after.Past().Restored()
			_, box := after.join(room, MemberConfig{Client: "c", Returning: &Returning{Heard: heard}})
			box.want(t, "who comes back", c.want...)
		})
	}
}

// TestWhatAnotherNodeHasKeptComesOnce before what is kept here, in its order.
func TestWhatAnotherNodeHasKeptComesOnce(t *testing.T) {
	from, to := newFixture(t, Config{Nodes: newWire()}), newFixture(t, Config{Nodes: newWire()})
	of := func(run string, n uint64) Carried {
		return Carried{Broadcast: text(int(n)), Client: run, Origin: Origin{run, n}}
	}
	m, _ := from.join(room, MemberConfig{Client: "c", Returning: &Returning{}})
	from.Receive(room, of("x", 1))
	heard := m.Heard()
	m.Leave()
	since := to.Await(t.Context(), room)
	from.Receive(room, of("x", 2))
	from.Receive(room, of("y", 3))
	to.Receive(room, of("y", 3)) // was on its way to both
	to.Receive(room, of("x", 4))
	missed, complete := from.Missed(room, heard)
	if len(missed) != 2 || !complete {
		t.Fatalf("missed %+v, complete %t; want the two after the first", missed, complete)
	}
	_, box := to.join(room, MemberConfig{Client: "c", Returning: &Returning{Heard: since, Elsewhere: missed}})
	box.want(t, "the client", "broadcast 2.", "broadcast 3.", "broadcast 4.")
	_, box = to.join(room, MemberConfig{Client: "y", Returning: &Returning{Heard: since, Elsewhere: missed}})
	box.want(t, "a client that has sent one of them", "broadcast 2.", "broadcast 4.")
	_, box = to.join(room, MemberConfig{Client: "c", Returning: &Returning{Heard: since, Misses: true}})
	box.want(t, "a client of which nobody knows what it has missed", `"code":"broadcasts_missed"`, "broadcast 3.", "broadcast 4.")

	from.Lost(room)
	if _, complete := from.Missed(room, heard); complete {
		t.Error("with a loss between it is complete")
	}
	if _, complete := from.Missed(room, 0); complete {
		t.Error("without a number it is complete")
	}
	if missed, complete := from.Missed(protocol.Topic{Name: "realtime:other"}, heard); len(missed) > 0 || !complete {
		t.Errorf("of a topic that nobody has broadcast to since %+v is missed, complete %t", missed, complete)
	}
	from.Publish(room, text(5)) // the wire names no origin, as one from before a restart has none
	if _, complete := from.Missed(room, from.Past().heard()-1); complete {
		t.Error("with one that cannot be told from what others have it is complete")
	}
}
