package live

import (
	"log/slog"
	"maps"
	"math/rand/v2"
	"testing"

	"walcast/policy"
	"walcast/replication/wal"
)

var (
	nowhere wal.Position
	anybody policy.Account
)

func at(n int) wal.Position { return wal.Position{LSN: wal.LSN(8 * n)} }

func TestSetsHaveOnlySoManyKeysTogether(t *testing.T) {
	keys := NewKeys(3)
	a, b := keys.Set(anybody), keys.Set(anybody)
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
		s := keys.Set(anybody)
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
		c := s.CloneAt(at(to), anybody)
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

// TestNobodyTakesAllKeys: who needs some has them at the expense of the account that has most
// of them, whose sets are to be dropped, and of no other.
func TestNobodyTakesAllKeys(t *testing.T) {
	subjects := policy.New(policy.DefaultConfig(), nil, slog.New(slog.DiscardHandler), nil)
	account := func(sub string) policy.Account {
		return subjects.Subject("authenticated", `{"sub":"`+sub+`"}`).Account()
	}
	keys := NewKeys(100)
	first, greedy, second := keys.Set(account("1")), keys.Set(account("2")), keys.Set(account("2"))
	fill := func(s *KeySet, n byte) (added int) {
		for i := range n {
			if s.Add(Key{i}, nowhere) {
				added++
			}
		}
		return added
	}
	if fill(first, 20) != 20 || fill(greedy, 50) != 50 || fill(second, 40) != 30 || keys.IsOver() {
		t.Fatalf("%d keys are held; want 100, and no more", keys.Held())
	}
	late := keys.Set(account("3"))
	if n := fill(late, 60); n != 40 {
		t.Errorf("who comes late has %d keys; want half of those that the account with most has", n)
	}
	if !keys.IsOver() || !greedy.IsRevoked() || !second.IsRevoked() || first.IsRevoked() || late.IsRevoked() || second.Add(Key{99}, nowhere) {
		t.Error("it is not the sets of the account with most keys that are to be dropped")
	}
	second.Drop()
	if keys.IsOver() == (keys.Held() <= 100) {
		t.Errorf("%d of 100 keys are held, IsOver() = %v", keys.Held(), keys.IsOver())
	}
	greedy.Drop()
	if first.IsRevoked() || keys.IsOver() || keys.Held() != 60 {
		t.Errorf("%d keys are held; want 60 after those of one account were dropped", keys.Held())
	}
	used := keys.Set(account("1"))
	used.Add(Key{1}, nowhere)
	used.Use(account("3"))
	used.Drop()
	first.Drop()
	if late.Drop(); keys.Held() != 0 || len(keys.shares.all) != 0 {
		t.Errorf("%d keys are held, of %d accounts, after all sets were dropped", keys.Held(), len(keys.shares.all))
	}
}

func TestWhatCanBeDoneWithoutGoesFirst(t *testing.T) {
	keys := NewKeys(8)
	kept, s := keys.Set(anybody), keys.Set(anybody)
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
