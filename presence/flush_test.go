package presence

import (
	"encoding/json"
	"fmt"
	"testing"
)

// step is a track, or an untrack if there is no payload. Tracks get the refs
// r1, r2 and so on.
type step struct {
	id      ChannelID
	key     string
	payload string
}

// flushed is the diff of steps after others that clients know of.
func flushed(t *testing.T, known, steps []step) Diff {
	t.Helper()
	s, refs := NewState(), 0
	run := func(steps []step) {
		for _, st := range steps {
			if st.payload == "" {
				s.Untrack(st.id)
				continue
			}
			refs++
			if err := s.Track(st.id, st.key, json.RawMessage(st.payload), fmt.Sprintf("r%d", refs)); err != nil {
				t.Fatalf("Track(%+v): %v", st, err)
			}
		}
	}
	run(known)
	s.Flush()
	run(steps)
	return s.Flush()
}

func TestFlushTellsTheNetEffect(t *testing.T) {
	ann := []step{{1, "ann", `{"n":1}`}}
	for _, c := range []struct {
		name         string
		known, steps []step
		want         string
	}{
		{"nothing", ann, nil, noDiff},
		{"come and gone", nil, []step{{1, "ann", `{}`}, {id: 1}}, noDiff},
		{
			"updates leave the first and the last", ann,
			[]step{{1, "ann", `{"n":2}`}, {1, "ann", `{"n":3}`}, {1, "ann", `{"n":4}`}},
			`{"joins":{"ann":{"metas":[{"phx_ref":"r4","phx_ref_prev":"r3","n":4}]}},"leaves":{"ann":{"metas":[{"phx_ref":"r1","n":1}]}}}`,
		},
		{
			"updates of a newcomer are one join", nil,
			[]step{{1, "ann", `{"n":1}`}, {1, "ann", `{"n":2}`}},
			`{"joins":{"ann":{"metas":[{"phx_ref":"r2","phx_ref_prev":"r1","n":2}]}},"leaves":{}}`,
		},
		{
			"updated and gone", ann,
			[]step{{1, "ann", `{"n":2}`}, {id: 1}},
			`{"joins":{},"leaves":{"ann":{"metas":[{"phx_ref":"r1","n":1}]}}}`,
		},
		{
			"gone and back", ann,
			[]step{{id: 1}, {2, "ann", `{"n":1}`}},
			`{"joins":{"ann":{"metas":[{"phx_ref":"r2","n":1}]}},"leaves":{"ann":{"metas":[{"phx_ref":"r1","n":1}]}}}`,
		},
		{
			"under another key", ann,
			[]step{{1, "bob", `{"n":1}`}},
			`{"joins":{"bob":{"metas":[{"phx_ref":"r2","phx_ref_prev":"r1","n":1}]}},"leaves":{"ann":{"metas":[{"phx_ref":"r1","n":1}]}}}`,
		},
		{
			"metas of a key come together, in order", nil,
			[]step{{1, "ann", `{}`}, {2, "bob", `{}`}, {3, "ann", `{}`}, {4, "cyd", `{}`}, {id: 4}},
			`{"joins":{"ann":{"metas":[{"phx_ref":"r1"},{"phx_ref":"r3"}]},"bob":{"metas":[{"phx_ref":"r2"}]}},"leaves":{}}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) { wantDiff(t, flushed(t, c.known, c.steps), c.want) })
	}
}

func TestFlushForgetsWhoFlips(t *testing.T) {
	s := NewState()
	run := func(id ChannelID, key, ref string) {
		if err := s.Track(id, key, nil, ref); err != nil {
			t.Fatalf("Track: %v", err)
		}
	}
	run(1, "ann", "r1")
	for i := range 10_000 {
		run(2, "bob", fmt.Sprintf("b%d", i))
		s.Untrack(2)
	}
	if len(s.changed) > 200 {
		t.Errorf("%d changes are kept after many flips of one client; want few", len(s.changed))
	}
	wantDiff(t, s.Flush(), `{"joins":{"ann":{"metas":[{"phx_ref":"r1"}]}},"leaves":{}}`)
}
