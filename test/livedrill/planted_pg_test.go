package livedrill

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"walcast/test/havoc"
)

// planter changes what looks have found, once for each kind of fault.
type planter struct{ planted map[kind]bool }

// plant plants a fault if there is none of its kind yet, and the rows are fit for it. It may
// be called more than once with one look, and then leaves it alone.
func (p *planter) plant(l *look, o opinion) {
	if len(p.planted) == len(counted) || len(o.rows) < 3 || !maps.Equal(l.rows, o.rows) {
		return
	}
	held := maps.Clone(l.rows)
	for _, k := range counted {
		if !p.planted[k] && p.spoil(k, held, o) {
			p.planted[k], l.rows = true, held
			return
		}
	}
}

// spoil plants a fault of a kind, if it can.
func (p *planter) spoil(k kind, held map[string]string, o opinion) bool {
	keys := slices.Sorted(maps.Keys(held))
	switch k {
	case lost:
		delete(held, keys[0])
		return true
	case phantom:
		held["1000"] = held[keys[0]]
		return true
	case torn:
		return p.tear(keys, held, o)
	}
	for key, row := range o.present { // leaked
		if _, wanted := o.rows[key]; row.matches && !wanted {
			held[key] = canonical(map[string]json.RawMessage{"id": row.record["id"], "amount": row.record["amount"]})
			return true
		}
	}
	return false
}

// tear has one row of a transaction that wrote several be as it was before.
func (p *planter) tear(keys []string, held map[string]string, o opinion) bool {
	for _, a := range keys {
		for _, b := range keys {
			if a != b && o.present[a].xid == o.present[b].xid {
				held[a] = `{"amount":-1}`
				return true
			}
		}
	}
	return false
}

// halfHidden is a seed whose rules hide some rows of every table and show others, to
// everybody and from the beginning.
func halfHidden() (seed uint64) {
	hides := func(t tableRules) bool { return t.IsSecured && t.Policy == hidesSome }
	for seed = 1; ; seed++ {
		first := firstRules(rulesChance(seed))
		if !slices.ContainsFunc(tables, func(t table) bool { return !hides(first[t.name]) }) {
			return seed
		}
	}
}

// Each of the four kinds is found once, where it was planted, and nothing else.
func TestPlantedFaultsAreFound(t *testing.T) {
	p := &planter{planted: map[kind]bool{}}
	r := runDrill(t, Options{Seed: halfHidden(), Duration: 4 * time.Second, Clients: 9, Peace: true, spoil: p.plant})
	if len(p.planted) != len(counted) {
		t.Fatalf("planted %v; want all kinds\n%s", p.planted, r.Summary)
	}
	for _, k := range counted {
		if r.Counts[k] != 1 {
			t.Errorf("%d faults are %s; one was planted", r.Counts[k], k)
		}
	}
	if len(r.Faults) != len(counted) {
		t.Errorf("%d faults were planted; the drill finds %q\n%s", len(counted), r.Faults, r.Details)
	}
}

// A client that is not given one row of all that it was to get does not have what SELECT says.
func TestOneDroppedFrameIsFound(t *testing.T) {
	var stolen atomic.Bool
	takes := func(payload []byte) bool {
		return bytes.Contains(payload, []byte(`"snapshot":true`)) && stolen.CompareAndSwap(false, true)
	}
	r := runDrill(t, Options{
		Seed: halfHidden(), Duration: 2 * time.Second, Clients: 8, Peace: true,
		sieve: func() havoc.Sieve { return havoc.Thief(takes) },
	})
	if !stolen.Load() {
		t.Fatalf("no frame was dropped:\n%s", r.Summary)
	}
	if r.Counts[lost] == 0 {
		t.Errorf("one frame was dropped; the drill finds %q\n%s", r.Faults, r.Details)
	}
}
