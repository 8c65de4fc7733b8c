package changelog

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"walcast/replication/wal"
)

// A client that has all changes that have left the log has lost nothing, and can still be told
// that their transaction has ended.
func TestACommitThatHasLeftIsStillTold(t *testing.T) {
	for name, appendTo := range map[string]func(*Log){
		"with its changes": func(l *Log) { l.Append(noon, ended(0x1100, 2), 0x1140) },
		"after its changes": func(l *Log) {
			all := ended(0x1100, 2)
			l.Append(noon, all[:2], 0)
			l.Append(noon.Add(30*time.Second), all[2:], 0x1140)
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := begunLog(0)
			behind := l.Follow()
			appendTo(l)
			if _, err := behind.Next(t.Context(), 2); err != nil {
				t.Fatal(err)
			}
			l.Append(noon.Add(2*time.Hour), ended(0x1200, 1), 0x1240)
			l.Release(noon.Add(2 * time.Hour))
			if got, want := l.Stats(), (Stats{Changes: 1, Bytes: 200, Oldest: wal.Position{LSN: 0x1100, Seq: 1}, Head: wal.Before(0x1240)}); got != want {
				t.Errorf("Stats = %+v; want %+v", got, want)
			}
			want := []string{"0/1100:2", "0/1200:0", "0/1200:1"}
			after, err := l.After(t.Context(), wal.Position{LSN: 0x1100, Seq: 1})
			if err != nil {
				t.Fatal(err)
			}
			for name, c := range map[string]*Cursor{"that was there": behind, "that comes back": after} {
				var got []string
				for len(got) < len(want) {
					changes, err := c.Next(t.Context(), 0)
					if err != nil {
						t.Fatalf("a cursor %s: %v", name, err)
					}
					got = append(got, positions(changes)...)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("a cursor %s (-want +got):\n%s", name, diff)
				}
			}
			for from, want := range map[wal.Position]string{{LSN: 0x1100, Seq: 2}: "0/1200:0", wal.Before(0x1140): "0/1200:0"} {
				c, err := l.After(t.Context(), from)
				if err != nil {
					t.Fatal(err)
				}
				if changes, err := c.Next(t.Context(), 1); err != nil || positions(changes)[0] != want {
					t.Errorf("after %s come %v, %v; want %s", from, positions(changes), err, want)
				}
			}
			if s := (Standing{history, wal.Position{LSN: 0x1100, Seq: 1}}); l.Reach(s) != s {
				t.Errorf("Reach goes on to %v over a Commit; want it to stay", l.Reach(s))
			}
			var resync *ResyncError
			if _, err := l.After(t.Context(), wal.Position{LSN: 0x1100}); !errors.As(err, &resync) || resync.Code != CodeTooOld {
				t.Errorf("After a change before the last that left = %v; want %s", err, CodeTooOld)
			}
		})
	}
}
