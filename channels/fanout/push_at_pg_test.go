package fanout

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"walcast/internal/logtest"
	"walcast/protocol"
	"walcast/replication/changelog"
)

// What is said of a position stands behind everything up to there and before everything
// beyond: what commits while it is being said comes after it.
func TestWhatIsSaidOfAPositionStandsThere(t *testing.T) {
	f := newFixture(t, messagesTable)
	rel := f.Relation("messages")
	b := newInbox()
	s := f.subscribe(b, ask{bindings: everyRow}, Start{})
	var want []string
	for i := range 20 {
		ok := s.PushAt(func(at changelog.Standing) []*protocol.Frame {
			if at.Position.Compare(f.Changes.Head()) < 0 {
				t.Errorf("nothing is under way, and all up to %s has been sent; want up to %s", at.Position, f.Changes.Head())
			}
			f.Commit(logtest.Insert(rel, fmt.Sprint(i), "1", "x"))
			for deadline := time.Now().Add(10 * time.Millisecond); time.Now().Before(deadline); {
				runtime.Gosched() // a lane that could deliver the row would
			}
			return []*protocol.Frame{s.request.Address.Progress(`"1"`, at.Position.Text(), "")}
		})
		if !ok {
			t.Fatal("the subscription is closed")
		}
		want = append(want, "progress", fmt.Sprintf("row %d", i))
		b.wait(t, len(want))
		f.waitSent(s)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var got []string
	for i, frame := range b.frames {
		p, _, err := contentOf(frame)
		if err != nil {
			t.Fatal(err)
		}
		if p.Event == protocol.EventProgress {
			got = append(got, "progress")
			continue
		}
		got = append(got, b.lines[i])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("came (-want +got):\n%s", diff)
	}
}
