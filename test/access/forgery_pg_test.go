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
	forged []mutation
	stolen map[string][]mutation // by loot
}

// mutation is one row of one client.
type mutation struct {
	client string
	at     wal.Position
}

// each is how many frames are forged, and how many are stolen of a kind, at most.
const each = 4

// loot is a kind of frames that are stolen, and what has to be found then.
type loot struct {
	name, found string
	is          func(t *table, w *written) bool
}

var loots = []loot{
	{"what replaced a row that is looked up", lost, func(t *table, w *written) bool {
		return w.row != nil && w.old != nil && w.row.ended == nil && t.generated && !t.open()
	}},
	{"the last version of a row that is looked up", lost, func(t *table, w *written) bool {
		return w.row != nil && w.row.ended == nil && t.generated && !t.open()
	}},
	{"a row", lost, func(t *table, w *written) bool { return w.row != nil && !t.generated }},
	{"a DELETE", lostDelete, func(t *table, w *written) bool { return w.kind == "DELETE" && t.open() }},
}

func (f *forger) tamper(r *round) {
	f.stolen = map[string][]mutation{}
	for _, c := range r.clients {
		if len(f.forged) < each && f.forge(r, c) {
			continue
		}
		for _, l := range loots {
			if len(f.stolen[l.name]) < each {
				f.steal(r, c, l)
			}
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
			t := r.world.tables[w.table]
			if w.row == nil || t.generated || w.at.Compare(diary[i-1].At) <= 0 || w.at.Compare(e.At) >= 0 || !plainly(c, t, w) {
				continue
			}
			made := forge(t, w)
			made.Time = e.Time
			c.diary.entries = slices.Insert(slices.Clone(diary), i, made)
			f.forged = append(f.forged, mutation{c.name, w.at})
			return true
		}
	}
	return false
}

// steal takes away a frame of a kind, at the first entry of a diary that allows it.
func (f *forger) steal(r *round, c *client, l loot) {
	diary, works := c.diary.entries, false
	for i, e := range diary {
		works = e.Kind == armed || works && e.Kind != opened
		if !works || e.Kind != shown || hidesRow(e.Frame) || i+1 == len(diary) || diary[i+1].Kind != shown {
			continue
		}
		again := func(o entry) bool { return o.Kind == shown && o.At == e.At }
		w := r.truth.at[e.At]
		if w == nil || !l.is(r.world.tables[w.table], w) || !plainly(c, r.world.tables[w.table], w) || slices.ContainsFunc(diary[i+1:], again) {
			continue
		}
		c.diary.entries = slices.Delete(slices.Clone(diary), i, i+1)
		f.stolen[l.name] = append(f.stolen[l.name], mutation{c.name, e.At})
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
	falsified := len(f.forged)
	if falsified != each {
		t.Errorf("%d frames were forged; want %d\n%s", falsified, each, r.summary())
	}
	for _, m := range f.forged {
		if !r.found(m, leak) {
			t.Errorf("a frame of %s was forged for %s, and no leak is found\n%s", m.at, m.client, r.summary())
		}
	}
	for _, l := range loots {
		falsified += len(f.stolen[l.name])
		if len(f.stolen[l.name]) == 0 {
			t.Errorf("the frame of %s was never stolen\n%s", l.name, r.summary())
		}
		for _, m := range f.stolen[l.name] {
			if !r.found(m, l.found) {
				t.Errorf("the frame of %s, %s, was stolen from %s, and no %s is found\n%s", l.name, m.at, m.client, l.found, r.summary())
			}
		}
	}
	if n := r.counted(); n != falsified {
		t.Errorf("%d faults; want those of the %d frames alone\n%s", n, falsified, r.details())
	}
}

// counted is how many faults fail a round.
func (r *round) counted() (n int) {
	for _, f := range r.faults {
		if f.counts() {
			n++
		}
	}
	return n
}

// found reports whether there is a fault of a kind about a row of a client.
func (r *round) found(m mutation, kind string) bool {
	return slices.ContainsFunc(r.faults, func(f Fault) bool {
		return f.counts() && f.Client == m.client && strings.HasPrefix(f.Kind, kind) && f.suspicion != nil && f.suspicion.change() == m.at
	})
}
