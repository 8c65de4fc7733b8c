package access

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"walcast/replication/wal"
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
const each = 5

func (f *forger) tamper(r *round) {
	for _, c := range r.clients {
		f.change(r, c)
	}
}

// change forges a frame between two that came, and steals the second of them,
// in the first place of a diary that allows it.
func (f *forger) change(r *round, c *client) {
	diary := c.diary.entries
	works := false
	for i := 1; i < len(diary); i++ {
		switch diary[i].Kind {
		case armed:
			works = true
		case opened:
			works = false
		}
		if !works || diary[i-1].Kind != shown || diary[i].Kind != shown || diary[i].Frame.Record == nil {
			continue
		}
		from, to := diary[i-1], diary[i]
		for _, w := range r.truth.changes {
			if w.row == nil || w.at.Compare(from.At) <= 0 || w.at.Compare(to.At) >= 0 || !plainly(c, r.world.tables[w.table], w) {
				continue
			}
			if len(f.forged) < each {
				e := forge(r.world.tables[w.table], w)
				e.Time = to.Time
				c.diary.entries = slices.Insert(slices.Clone(diary), i, e)
				f.forged = append(f.forged, mutation{c.name, w.at})
			} else if len(f.stolen) < each {
				c.diary.entries = slices.Delete(slices.Clone(diary), i, i+1)
				f.stolen = append(f.stolen, mutation{c.name, to.At})
			}
			return
		}
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

func TestForgedAndStolenFramesAreFound(t *testing.T) {
	var f forger
	r := oneRound(t, Options{
		Binary: buildWalcast(t), Seed: 3, Duration: 5 * time.Second, Rate: 100, Pause: time.Hour, Clients: 18, tamper: f.tamper,
	})
	if len(f.forged) != each || len(f.stolen) != each {
		t.Fatalf("%d frames were forged and %d stolen; want %d of each\n%s", len(f.forged), len(f.stolen), each, r.summary())
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
