package access

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"walcast/replication/wal"
	"walcast/test/program"
)

// forger falsifies diaries: it adds frames of rows that did not come and takes
// away frames of rows that did.
type forger struct {
	forged, stolen []mutation
}

// mutation is one row of one client.
type mutation struct {
	client string
	at     wal.Position
}

// each is how many frames are forged, and how many are stolen, at most.
const each = 4

func (f *forger) tamper(r *round) {
	for _, c := range r.clients {
		if len(f.forged) < each && f.forge(r, c) {
			continue
		}
		if len(f.stolen) < each {
			f.steal(r, c)
		}
	}
}

// forge adds a frame of a row that was passed over by one that came, at the first
// entry of a diary that allows it.
func (f *forger) forge(r *round, c *client) bool {
	diary, works := c.diary.entries, false
	for i, e := range diary {
		works = e.Kind == armed || works && e.Kind != opened
		if i == 0 || !works || diary[i-1].Kind != shown || e.Kind != shown {
			continue
		}
		for _, w := range r.truth.changes {
			if w.row == nil || w.at.Compare(diary[i-1].At) <= 0 || w.at.Compare(e.At) >= 0 || !plainly(c, r.world.tables[w.table], w) {
				continue
			}
			made := forge(r.world.tables[w.table], w)
			made.Time = e.Time
			c.diary.entries = slices.Insert(slices.Clone(diary), i, made)
			f.forged = append(f.forged, mutation{c.name, w.at})
			return true
		}
	}
	return false
}

// steal takes away a frame, at the first entry of a diary that allows it.
func (f *forger) steal(r *round, c *client) {
	diary, works := c.diary.entries, false
	for i, e := range diary {
		works = e.Kind == armed || works && e.Kind != opened
		if !works || e.Kind != shown || e.Frame.Record["id"] == nil || i+1 == len(diary) || diary[i+1].Kind != shown {
			continue
		}
		again := func(o entry) bool { return o.Kind == shown && o.At == e.At }
		w := r.truth.at[e.At]
		if w == nil || !plainly(c, r.world.tables[w.table], w) || slices.ContainsFunc(diary[i+1:], again) {
			continue
		}
		c.diary.entries = slices.Delete(slices.Clone(diary), i, i+1)
		f.stolen = append(f.stolen, mutation{c.name, e.At})
		return
	}
}

// plainly reports whether a binding without a filter asks for a change.
func plainly(c *client, t *table, w *written) bool {
	return slices.ContainsFunc(c.bindings, func(b binding) bool {
		return b.filter == 0 && b.wants(t, &written{kind: w.kind, row: &version{matches: 1}})
	})
}

func forge(t *table, w *written) entry {
	record := map[string]json.RawMessage{}
	for name, text := range w.row.values {
		switch {
		case slices.Contains(changing, name):
			continue
		case text == nil:
			record[name] = json.RawMessage("null")
		case slices.Contains([]string{"ver", "id", "num"}, name):
			record[name] = json.RawMessage(*text)
		default:
			record[name], _ = json.Marshal(*text)
		}
	}
	return entry{Kind: shown, At: w.at, Frame: &frame{Type: w.kind, Schema: t.schema, Table: t.name, Record: record}}
}

// busy reports whether so many clients have had so many rows in one connection
// that there is something to falsify.
func (f *forger) busy(r *round) bool {
	n := 0
	for _, c := range r.clients {
		run, longest := 0, 0
		for _, e := range c.diary.read() {
			switch e.Kind {
			case opened:
				run = 0
			case shown:
				run++
			}
			longest = max(longest, run)
		}
		if longest >= 30 {
			n++
		}
	}
	return n >= 2*each
}

func TestForgedAndStolenFramesAreFound(t *testing.T) {
	var f forger
	r := oneRound(t, Options{
		Binary: program.Build(t), Seed: 3, Duration: 3 * time.Second, Rate: 60, Pause: time.Hour, Clients: 12,
		plain: true, enough: f.busy, tamper: f.tamper,
	})
	if len(f.forged) != each || len(f.stolen) < each/2 {
		t.Fatalf("%d frames were forged and %d stolen; want %d and no fewer than half of that\n%s", len(f.forged), len(f.stolen), each, r.summary())
	}
	if falsified := len(f.forged) + len(f.stolen); len(r.faults) != falsified {
		t.Errorf("%d faults; want those of the %d frames alone\n%s", len(r.faults), falsified, r.details())
	}
	for _, m := range f.forged {
		if !r.found(m, leak) {
			t.Errorf("a frame of %s was forged for %s, and no leak is found\n%s", m.at, m.client, r.summary())
		}
	}
	for _, m := range f.stolen {
		if !r.found(m, lost) {
			t.Errorf("the frame of %s was stolen from %s, and no loss is found\n%s", m.at, m.client, r.summary())
		}
	}
}

// found reports whether there is a fault of a kind about a row of a client.
func (r *round) found(m mutation, kind string) bool {
	return slices.ContainsFunc(r.faults, func(f Fault) bool {
		return f.Client == m.client && strings.HasPrefix(f.Kind, kind) && f.suspicion != nil && f.suspicion.row.at == m.at
	})
}
