package access

import (
	"strings"
	"testing"
	"time"

	"walcast/internal/devdb"
)

func TestFiguresHaveEachKindWithItsSeeds(t *testing.T) {
	f := newFigures(time.Now())
	for seed, kinds := range map[uint64][]string{7: {lost, lost, outlivedData}, 8: nil} {
		r := &round{
			Options: Options{Seed: seed}, postgres: &devdb.Server{Installation: devdb.Installation{Version: "15.7"}},
			truth: stock(newWorld(1), 3), steward: &steward{history: decade(4)}, verdict: verdict{absences: 5, givenUp: 2},
		}
		for _, kind := range kinds {
			r.faults = append(r.faults, Fault{Kind: kind})
		}
		r.clients = []*client{{}}
		r.clients[0].diary.entries = []entry{{Kind: joined}, {Kind: shown}, {Kind: shown}}
		f.add(r)
	}
	f.broken = []uint64{9}
	got := f.String()
	for _, want := range []string{
		"Postgres 15.7: 2 rounds", "6 changes of rows, 6 of access, 2 joins",
		"judged 4 frames that came and 10 changes that did not, besides 4 that a resync gave up",
		"faults: 2 × lost (seeds [7])\n", "allowed by the docs: 1 × shown by newer data (seeds [7])\n", "not judged: seeds [9]\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("figures %q; want %q in them", got, want)
		}
	}
}
