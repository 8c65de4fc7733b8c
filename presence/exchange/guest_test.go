package exchange

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"walcast/presence"
	"walcast/protocol"
)

// guest is a member, with what its client makes of what it is told.
type guest struct {
	*presence.Member
	node    *node
	number  int
	key     string
	payload string // that it tracks

	mu    sync.Mutex
	sees  map[string]map[string]string // payloads by ref, by key; nil before the state
	heard []string
}

// enter has a member enter a room.
func (n *node) enter(t protocol.Topic, key, client string) *guest {
	n.town.guests++
	g := &guest{node: n, number: n.town.guests, key: key}
	g.Member = n.rooms.Member(t, presence.MemberConfig{
		Key: key, Watches: true, Client: client, Outbox: g,
		Address: protocol.Address{Version: protocol.V2, Topic: t.Name, JoinRef: `"1"`},
	})
	g.Settle(n.town.Context())
	g.Watches(true)
	return g
}

// present has a member track that is told nothing.
func (n *node) present(t protocol.Topic, key, payload string) error {
	m := n.rooms.Member(t, presence.MemberConfig{Key: key, Outbox: &guest{node: n}})
	_, err := m.Track(json.RawMessage(payload), false)
	return err
}

// appear has a member enter and track.
func (n *node) appear(t protocol.Topic, key, client, payload string) *guest {
	g := n.enter(t, key, client)
	g.track(payload)
	return g
}

func (g *guest) untrack() {
	g.payload = ""
	g.Untrack()
}

func (g *guest) track(payload string) {
	g.payload = payload
	if _, err := g.Track(json.RawMessage(payload), true); err != nil {
		g.node.town.Error(err)
	}
}

type metas map[string]struct{ Metas []json.RawMessage }

// Push implements presence.Outbox.
func (g *guest) Push(f *protocol.Frame) {
	var frame [5]json.RawMessage
	if err := json.Unmarshal(f.Payload(), &frame); err != nil {
		g.node.town.Errorf("frame %s: %v", f.Payload(), err)
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if string(frame[3]) == `"presence_state"` {
		g.sees = map[string]map[string]string{}
		state := metas{}
		g.read(frame[4], &state)
		g.join("=", state)
		return
	}
	var diff struct{ Joins, Leaves metas }
	g.read(frame[4], &diff)
	g.join("+", diff.Joins)
	for key, of := range diff.Leaves {
		for _, meta := range of.Metas {
			ref, payload := g.meta(meta)
			if g.sees[key][ref] != payload {
				g.node.town.Errorf("%s left with %s, which was not there", key, meta)
			}
			delete(g.sees[key], ref)
			g.heard = append(g.heard, "-"+key+payload)
		}
		if len(g.sees[key]) == 0 {
			delete(g.sees, key)
		}
	}
}

func (g *guest) read(raw []byte, into any) {
	if err := json.Unmarshal(raw, into); err != nil {
		g.node.town.Errorf("read %s: %v", raw, err)
	}
}

func (g *guest) join(sign string, state metas) {
	for key, of := range state {
		if g.sees[key] == nil {
			g.sees[key] = map[string]string{}
		}
		for _, meta := range of.Metas {
			ref, payload := g.meta(meta)
			g.sees[key][ref] = payload
			g.heard = append(g.heard, sign+key+payload)
		}
	}
}

// meta is the ref and the rest of a meta.
func (g *guest) meta(raw json.RawMessage) (ref, payload string) {
	fields := map[string]json.RawMessage{}
	g.read(raw, &fields)
	ref = string(fields["phx_ref"])
	delete(fields, "phx_ref")
	delete(fields, "phx_ref_prev")
	text, _ := json.Marshal(fields) // maps encode sorted
	return ref, string(text)
}

// took is what the client was told since it was called last, sorted.
func (g *guest) took() (heard []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	heard, g.heard = g.heard, nil
	slices.Sort(heard)
	return heard
}

// wantHeard compares what the client was told since the last time.
func (g *guest) wantHeard(what string, want ...string) {
	g.node.town.Helper()
	if got := g.took(); !slices.Equal(got, want) {
		g.node.town.Errorf("%s: a client of node %d was told %q; want %q", what, g.node.index, got, want)
	}
}

// view is what the client sees, as text.
func (g *guest) view() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return spell(g.sees)
}

func spell(sees map[string]map[string]string) string {
	var lines []string
	for _, key := range slices.Sorted(maps.Keys(sees)) {
		for _, ref := range slices.Sorted(maps.Keys(sees[key])) {
			lines = append(lines, fmt.Sprint(key, " ", ref, " ", sees[key][ref]))
		}
	}
	return strings.Join(lines, "\n")
}

// state is what the node says over HTTP, as a client would see it.
func (n *node) state(t protocol.Topic) string {
	g := &guest{node: n, sees: map[string]map[string]string{}}
	state := metas{}
	g.read(n.rooms.State(n.town.Context(), t), &state)
	g.join("=", state)
	return spell(g.sees)
}
