package exchange

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"walcast/internal/nodes"
	"walcast/presence"
	"walcast/protocol"
)

// listed is what a channel tracks, as it comes from another node.
func listed(t testing.TB, key, ref, fields string, moves uint32) presence.Listed {
	t.Helper()
	start := fmt.Sprintf(`{"phx_ref":%q`, ref)
	meta, err := presence.Received(key, ref, json.RawMessage(start+fields+"}"), uint32(len(start)), 7)
	if err != nil {
		t.Fatal(err)
	}
	return presence.Listed{Meta: meta, Moves: moves}
}

// said is a summary without news.
func said(number, from uint64) summary {
	return summary{Summary: nodes.Summary[digest]{Number: number, From: from}}
}

// samples are messages of every kind.
func samples(t testing.TB) map[string][]byte {
	t.Helper()
	private := protocol.Topic{Name: "realtime:a.*> \x00ü", Private: true}
	delta := presence.Delta{
		Seq: 300, Prev: 7, Leaves: []string{"gone", "too"}, Claims: []presence.Claim{{Ref: "taken", Moves: 3}},
		Joins: []presence.Listed{listed(t, "ann", "r1", `,"n":1`, 0), listed(t, "", "r2", ``, 200)},
	}
	whole := delta
	whole.Whole, whole.Leaves, whole.Prev = true, nil, 0
	answer := part{digest: digestOf(private), topic: private, stay: 5, more: true, delta: whole}.append(begin(kindAnswer, "run"))
	answer = part{digest: digestOf(room), stay: 1 << 40, same: true}.append(answer)
	answer = part{digest: digestOf(other), delta: presence.Delta{Seq: 4, Whole: true}}.append(answer)
	return map[string][]byte{
		"delta":    part{digest: digestOf(private), topic: private, delta: delta}.append(begin(kindDelta, "run")),
		"answer":   answer,
		"question": encodeQuestion("run", []entry{{digest: digestOf(room), stay: 3, known: true, seq: 9}, {digest: digestOf(private)}}),
		"summary":  summary{Summary: nodes.Summary[digest]{Number: 9, From: 3, News: []nodes.News[digest]{{Topic: digestOf(room), Number: 4}, {Topic: digestOf(private), Number: 9}}}}.encode("run"),
		"the last": summary{bye: true}.encode("run"),
	}
}

// encode is a message as it would be sent.
func (m message) encode() []byte {
	switch m.kind {
	case kindQuestion:
		return encodeQuestion(m.run, m.asked)
	case kindSummary:
		return m.summary.encode(m.run)
	}
	b := begin(m.kind, m.run)
	for _, p := range m.parts {
		b = p.append(b)
	}
	return b
}

func TestMessagesAreReadAsTheyWereWritten(t *testing.T) {
	for name, encoded := range samples(t) {
		t.Run(name, func(t *testing.T) {
			m, err := decode(encoded)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(encoded, m.encode()); diff != "" || m.run != "run" {
				t.Errorf("of %s, written again (-before +after):\n%s", m.run, diff)
			}
			for length := range encoded {
				if cut, err := decode(encoded[:length]); err == nil && len(cut.parts)+len(cut.asked)+len(cut.summary.News) >= len(m.parts)+len(m.asked)+len(m.summary.News) {
					t.Errorf("the first %d of %d bytes are read as %+v", length, len(encoded), cut)
				}
			}
		})
	}
}

func TestWhatCannotBeRead(t *testing.T) {
	var newer nodes.NewerError
	if _, err := decode([]byte{format + 1, kindDelta}); !errors.As(err, &newer) || !strings.Contains(err.Error(), "upgrade") {
		t.Errorf("a newer format: %v; want that this node has to be upgraded", err)
	}
	broken := listed(t, "k", "r", ``, 0)
	meta := *broken.Meta
	meta.JSON = json.RawMessage(`{"phx_ref":"r","n":}`)
	broken.Meta = &meta
	for name, encoded := range map[string][]byte{
		"nothing":                 nil,
		"no kind":                 begin('x', "run"),
		"no run":                  begin(kindQuestion, ""),
		"a delta of no topic":     begin(kindDelta, "run"),
		"a meta that is no JSON":  part{topic: room, delta: presence.Delta{Joins: []presence.Listed{broken}}}.append(begin(kindDelta, "run")),
		"a summary that is wrong": said(1, 2).encode("run"),
	} {
		if m, err := decode(encoded); err == nil || errors.As(err, &newer) {
			t.Errorf("%s is read as %+v, %v; want an error", name, m, err)
		}
	}
}

// FuzzDecode has whatever is read be written again as the same.
func FuzzDecode(f *testing.F) {
	for _, encoded := range samples(f) {
		f.Add(encoded)
	}
	f.Fuzz(func(t *testing.T, encoded []byte) {
		m, err := decode(encoded)
		if err != nil {
			return
		}
		again, err := decode(m.encode())
		if err != nil {
			t.Fatalf("%+v cannot be read again: %v", m, err)
		}
		if diff := cmp.Diff(m.encode(), again.encode()); diff != "" {
			t.Errorf("read again (-first +second):\n%s", diff)
		}
	})
}

func TestALongDeltaIsJoinedAgain(t *testing.T) {
	var d presence.Delta
	for n := range 3000 {
		d.Joins = append(d.Joins, listed(t, fmt.Sprint("k", n), fmt.Sprint("r", n), `,"text":"`+strings.Repeat("x", 500)+`"`, 0))
		d.Leaves = append(d.Leaves, fmt.Sprint("gone", n))
		d.Claims = append(d.Claims, presence.Claim{Ref: fmt.Sprint("taken", n)})
	}
	d.Seq = 5
	var parts []part
	for p := range split(part{digest: digestOf(room), topic: room, delta: d}) {
		if size := len(p.append(nil)); size > partSize {
			t.Errorf("a part has %d bytes; want %d at most", size, partSize)
		}
		parts = append(parts, p)
	}
	j := &joined{}
	for i, p := range parts {
		whole, ok := j.add(p, 1)
		if ok != (i == len(parts)-1) {
			t.Fatalf("after part %d of %d: whole = %v", i+1, len(parts), ok)
		}
		if ok && (len(whole.delta.Joins) != 3000 || len(whole.delta.Leaves) != 3000 || len(whole.delta.Claims) != 3000 || whole.delta.Seq != 5) {
			t.Errorf("joined are %d joins, %d leaves, %d claims", len(whole.delta.Joins), len(whole.delta.Leaves), len(whole.delta.Claims))
		}
	}
	for lost := range parts {
		for i, p := range parts {
			if i == lost {
				continue
			}
			if _, ok := j.add(p, 1); ok {
				t.Errorf("without part %d all are taken for whole", lost+1)
			}
		}
	}
	j.add(parts[0], mostJoined)
	if j.add(parts[1], 1); j.bytes != 0 {
		t.Error("more than there is room for is kept")
	}
}
