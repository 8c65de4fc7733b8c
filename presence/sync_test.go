package presence

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// view is what a client believes: key to metas.
type view map[string]*metasOf

type metasOf struct {
	Metas []map[string]any `json:"metas"`
}

type diffView struct{ Joins, Leaves view }

// client does what assets/js/phoenix/presence.js of @supabase/phoenix 0.4.5
// does with presence_state and presence_diff.
type client struct {
	state   view
	synced  bool // the state of this join has come
	pending []diffView
}

func (c *client) onState(t fataler, payload []byte) {
	c.synced = true
	c.state = syncState(c.state, decode[view](t, payload))
	for _, d := range c.pending {
		syncDiff(c.state, d)
	}
	c.pending = nil
}

func (c *client) onDiff(t fataler, payload []byte) {
	d := decode[diffView](t, payload)
	if !c.synced {
		c.pending = append(c.pending, d)
		return
	}
	syncDiff(c.state, d)
}

// rejoin is what a new join_ref does: the old state stays until the new comes.
func (c *client) rejoin() { c.synced, c.pending = false, nil }

func syncState(state, news view) view {
	joins, leaves := view{}, view{}
	for key, current := range state {
		if news[key] == nil {
			leaves[key] = current
		}
	}
	for key, now := range news {
		current := state[key]
		if current == nil {
			joins[key] = now
			continue
		}
		if joined := without(now.Metas, current.Metas); len(joined) > 0 {
			joins[key] = &metasOf{joined}
		}
		if left := without(current.Metas, now.Metas); len(left) > 0 {
			leaves[key] = &metasOf{left}
		}
	}
	if state == nil {
		state = view{}
	}
	syncDiff(state, diffView{joins, leaves})
	return state
}

func syncDiff(state view, d diffView) {
	for key, joined := range d.Joins {
		metas := joined.Metas
		if current := state[key]; current != nil {
			metas = append(without(current.Metas, metas), metas...)
		}
		state[key] = &metasOf{metas}
	}
	for key, left := range d.Leaves {
		current := state[key]
		if current == nil {
			continue
		}
		current.Metas = without(current.Metas, left.Metas)
		if len(current.Metas) == 0 {
			delete(state, key)
		}
	}
}

// without is the metas whose refs are not among the others.
func without(metas, others []map[string]any) []map[string]any {
	return slices.DeleteFunc(slices.Clone(metas), func(m map[string]any) bool {
		return slices.ContainsFunc(others, func(o map[string]any) bool { return o["phx_ref"] == m["phx_ref"] })
	})
}

// fataler is a *testing.T or a *rapid.T.
type fataler interface{ Fatalf(string, ...any) }

func decode[T any](t fataler, payload []byte) (v T) {
	if err := json.Unmarshal(payload, &v); err != nil {
		t.Fatalf("decode %s: %v", payload, err)
	}
	return v
}

// topic is the shell of the tests: it sends states and diffs to clients, and
// flushes when it likes.
type topic struct {
	t       *rapid.T
	state   *State
	refs    *RefSource
	clients []*client
}

func (tp *topic) flush() {
	diff := tp.state.Flush()
	if diff.Empty() {
		return
	}
	payload := diff.AppendTo(nil)
	for _, c := range tp.clients {
		c.onDiff(tp.t, payload)
	}
}

func (tp *topic) step() {
	t := tp.t
	id := ChannelID(rapid.IntRange(1, 6).Draw(t, "channel"))
	switch rapid.IntRange(0, 9).Draw(t, "step") {
	case 0, 1, 2, 3, 4:
		key := fmt.Sprintf("key %d", id%4) // some channels share a key
		payload := fmt.Sprintf(`{"n":%d}`, rapid.IntRange(0, 3).Draw(t, "n"))
		if err := tp.state.Track(id, key, json.RawMessage(payload), tp.refs.Next()); err != nil {
			t.Fatalf("Track: %v", err)
		}
	case 5, 6:
		tp.state.Untrack(id)
	case 7:
		tp.state.Adopt(id, ChannelID(rapid.IntRange(1, 6).Draw(t, "adopts")))
	case 8:
		tp.flush()
	case 9:
		tp.join()
	}
}

// join lets a client in: it gets the state now, and diffs from here on.
func (tp *topic) join() {
	c := &client{}
	tp.clients = append(tp.clients, c)
	c.onState(tp.t, tp.state.AppendState(nil))
}

// Every client ends with the server's state, the order of metas included,
// whenever it joined and however changes were merged.
func TestClientsEndWithTheState(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tp := &topic{t: t, state: NewState(), refs: NewRefSource([12]byte{})}
		tp.join()
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			tp.step()
		}
		tp.flush()
		want := decode[view](t, tp.state.AppendState(nil))
		for i, c := range tp.clients {
			if diff := cmp.Diff(want, c.state); diff != "" {
				t.Fatalf("client %d of %d differs (-server +client):\n%s", i, len(tp.clients), diff)
			}
		}
	})
}

// A client that joins again, and gets diffs before its state, has the same
// metas; their order under a key is then its own.
func TestClientsThatJoinAgainHaveTheState(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tp := &topic{t: t, state: NewState(), refs: NewRefSource([12]byte{})}
		tp.join()
		c := tp.clients[0]
		for range rapid.IntRange(1, 5).Draw(t, "rejoins") {
			c.rejoin()
			for range rapid.IntRange(0, 12).Draw(t, "steps before the state") {
				tp.step() // diffs that the state contains come before it
			}
			c.onState(t, tp.state.AppendState(nil))
			for range rapid.IntRange(0, 12).Draw(t, "steps after the state") {
				tp.step()
			}
		}
		tp.flush()
		want, got := byRef(decode[view](t, tp.state.AppendState(nil))), byRef(c.state)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("client differs (-server +client):\n%s", diff)
		}
	})
}

// byRef is the metas without their order.
func byRef(v view) map[string]map[string]map[string]any {
	out := map[string]map[string]map[string]any{}
	for key, metas := range v {
		out[key] = map[string]map[string]any{}
		for _, m := range metas.Metas {
			out[key][fmt.Sprint(m["phx_ref"])] = m
		}
	}
	return out
}
