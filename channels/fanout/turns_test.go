package fanout

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

// TestNobodyHasAllTurns: one who wants all gets half of them, and who comes then need
// not wait.
func TestNobodyHasAllTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns(64)
		greedy, other := owner{session: &Session{}}, owner{session: &Session{}}
		ctx, leave := context.WithCancel(t.Context())
		for range 1000 {
			go turns.take(ctx, greedy)
		}
		synctest.Wait()
		if got := turns.taken[greedy]; got != 32 {
			t.Errorf("one owner has %d turns of 64; want half", got)
		}
		for n := range 16 {
			if turns.ask(other) != nil {
				t.Fatalf("another waits for its turn %d", n+1)
			}
		}
		turns.give(greedy)
		turns.give(greedy)
		if turns.taken[greedy] != 30 {
			t.Errorf("it has %d turns after it has given two back; want 30, as not so many are left", turns.taken[greedy])
		}
		leave()
		synctest.Wait()
		if len(turns.line) > 0 || len(turns.waiting) > 0 {
			t.Errorf("%d owners wait after all have left", len(turns.line))
		}
		for range 30 {
			turns.give(greedy)
		}
		for range 16 {
			turns.give(other)
		}
		if turns.left != 64 || len(turns.taken) > 0 {
			t.Errorf("%d turns are left, %d owners have some; want 64, 0", turns.left, len(turns.taken))
		}
	})
}

// TestOwnersThatWaitHaveTheirTurnsOneAfterTheOther, however many each of them waits for.
func TestOwnersThatWaitHaveTheirTurnsOneAfterTheOther(t *testing.T) {
	turns := newTurns(1)
	first := owner{session: &Session{}}
	names := map[owner]string{{session: &Session{}}: "a", {session: &Session{}}: "b"}
	if turns.ask(first) != nil {
		t.Fatal("the first waits")
	}
	type waiting struct {
		name string
		got  chan struct{}
	}
	var all []waiting
	byName := map[string]owner{}
	for o, name := range names {
		byName[name] = o
	}
	for _, name := range []string{"a", "a", "a", "b"} {
		all = append(all, waiting{name, turns.ask(byName[name])})
	}
	var order []string
	for has := first; len(all) > 0; {
		turns.give(has)
		for i, w := range all {
			select {
			case <-w.got:
				order, has = append(order, w.name), byName[w.name]
				all = append(all[:i], all[i+1:]...)
			default:
				continue
			}
			break
		}
	}
	if diff := cmp.Diff([]string{"a", "b", "a", "a"}, order); diff != "" {
		t.Errorf("turns (-want +got):\n%s", diff)
	}
}
