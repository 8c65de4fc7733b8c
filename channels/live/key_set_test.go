package live

import (
	"maps"
	"math/rand/v2"
	"testing"

	"walcast/replication/wal"
)

var nowhere wal.Position

func at(n int) wal.Position { return wal.Position{LSN: wal.LSN(8 * n)} }

func TestSetsHaveOnlySoManyKeysTogether(t *testing.T) {
	keys := NewKeys(3)
	a, b := keys.Set(), keys.Set()
	first, again := a.Add(Key{1}, nowhere), a.Add(Key{1}, nowhere)
	if !first || !again || !a.Add(Key{2}, nowhere) || !b.Add(Key{1}, nowhere) || keys.Held() != 3 {
		t.Errorf("of 3 keys %d are held after 3 have been added", keys.Held())
	}
	if b.Add(Key{3}, nowhere) || b.Has(Key{3}) || b.Len() != 1 {
		t.Error("a fourth key was added")
	}
	a.Remove(Key{2}, nowhere)
	a.Remove(Key{2}, nowhere)
	if !b.Add(Key{3}, nowhere) || keys.Held() != 3 || a.Has(Key{2}) {
		t.Errorf("%d keys are held after one was removed and another added; want 3", keys.Held())
	}
	a.Drop()
	b.Drop()
	(*KeySet)(nil).Drop()
	if keys.Held() != 0 || a.Len() != 0 {
		t.Errorf("%d keys are held after all were dropped", keys.Held())
	}
}

// A set goes back to what it was at any position that it reaches, in itself or in a copy, and
// all room is accounted for.
func TestASetGoesBack(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		keys := NewKeys(100_000)
		s := keys.Set()
		for n := range 5 {
			s.Add(Key{byte(n)}, nowhere)
		}
		s.Begin(at(1))
		were := []map[Key]struct{}{1: maps.Clone(s.keys)}
		for n := 2; n < 2+random.IntN(3*pastMost); n++ {
			for range random.IntN(3) {
				if key := (Key{byte(random.IntN(20))}); random.IntN(2) == 0 {
					s.Add(key, at(n))
				} else {
					s.Remove(key, at(n))
				}
			}
			were = append(were, maps.Clone(s.keys))
		}
		to := 1 + random.IntN(len(were)-1)
		if !s.Reaches(at(to)) {
			if len(s.past) < pastMost/2 || s.Reaches(at(0)) {
				t.Fatalf("a set with %d changes does not reach back", len(s.past))
			}
			to = len(were) - 1
		}
		c := s.CloneAt(at(to))
		if s.Rewind(at(to)); !maps.Equal(s.keys, were[to]) || !maps.Equal(c.keys, were[to]) {
			t.Fatalf("at %d of %d the set has %d keys and its copy %d; it had %d", to, len(were), s.Len(), c.Len(), len(were[to]))
		}
		if want := 2 * (s.Len() + len(s.past)); keys.Held() != want {
			t.Fatalf("%d keys are held; want %d", keys.Held(), want)
		}
		s.Drop()
		if c.Drop(); keys.Held() != 0 {
			t.Fatalf("%d keys are held after all were dropped", keys.Held())
		}
	}
}

func TestWhatCanBeDoneWithoutGoesFirst(t *testing.T) {
	keys := NewKeys(8)
	kept, s := keys.Set(), keys.Set()
	keys.OnFull(func() bool {
		had := kept.Len() > 0
		kept.Drop()
		return had
	})
	kept.Add(Key{1}, nowhere)
	if !kept.Keep(2) || kept.Keep(6) || keys.Held() != 3 {
		t.Errorf("%d keys are held; want 1 and 2 to keep the set", keys.Held())
	}
	s.Begin(at(1))
	for n := range 8 { // the notes go last
		if !s.Add(Key{byte(n)}, at(2+n)) {
			t.Fatalf("key %d of 8 finds no room", n+1)
		}
	}
	if kept.Len() > 0 || s.Len() != 8 || len(s.past) > 0 || keys.Held() != 8 || s.Reaches(at(8)) || !s.Reaches(at(9)) {
		t.Errorf("%d keys are held, %d of a set that is kept, %d changes are noted", keys.Held(), kept.Len(), len(s.past))
	}
	if s.Add(Key{9}, at(20)) {
		t.Error("a ninth key was added")
	}
}
