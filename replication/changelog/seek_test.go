package changelog

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"walcast/replication/wal"
)

func TestAfterContinuesBehindAPosition(t *testing.T) {
	l := begunLog(0)
	l.Append(noon, rows(0x1100, 2), 0x1200)
	l.Append(noon, nil, 0x1300)
	l.Append(noon, rows(0x1300, 2), 0x1400)
	for _, c := range []struct {
		name string
		from wal.Position
		want []string
	}{
		{"the start", wal.Before(0x1000), []string{"0/1100:0", "0/1100:1"}},
		{"amid a transaction", wal.Position{LSN: 0x1100, Seq: 0}, []string{"0/1100:1"}},
		{"a transaction's last change", wal.Position{LSN: 0x1100, Seq: 1}, []string{"0/1300:0", "0/1300:1"}},
		{"the end of a transaction", wal.Before(0x1200), []string{"0/1300:0", "0/1300:1"}},
		{"a keepalive", wal.Before(0x1300), []string{"0/1300:0", "0/1300:1"}},
		{"the last change", wal.Position{LSN: 0x1300, Seq: 1}, nil},
		{"head", wal.Before(0x1400), nil},
	} {
		cursor, err := l.After(t.Context(), c.from)
		if err != nil || cursor.position != c.from {
			t.Fatalf("After(%v) = %v, %v; want a cursor there (%s)", c.from, cursor, err, c.name)
		}
		var got []*wal.Change
		for len(got) < len(c.want) {
			changes, err := cursor.Next(t.Context(), len(c.want)-len(got))
			if err != nil {
				t.Fatalf("Next after %v: %v (%s)", c.from, err, c.name)
			}
			got = append(got, changes...)
		}
		for i, p := range positions(got) {
			if p != c.want[i] {
				t.Errorf("change %d after %v = %s; want %s (%s)", i, c.from, p, c.want[i], c.name)
			}
		}
		if c.want == nil {
			wantNothing(t, cursor)
		}
	}
}

func TestAfterRefusesWhatItCannotContinue(t *testing.T) {
	l := begunLog(0)
	l.Append(noon, rows(0x1100, 2), 0x1200)
	l.Release(noon.Add(time.Hour))
	l.Append(noon.Add(time.Hour), rows(0x1200, 2), 0x1300)
	for _, c := range []struct {
		name string
		from wal.Position
		code string
	}{
		{"zero", wal.Position{}, CodeTooOld},
		{"before the start", wal.Position{LSN: 0x900, Seq: 3}, CodeTooOld},
		{"amid what has left", wal.Position{LSN: 0x1100, Seq: 0}, CodeTooOld},
		{"a change that the transaction does not have", wal.Position{LSN: 0x1200, Seq: 2}, CodeUnknown},
		{"a commit that was not", wal.Position{LSN: 0x1208, Seq: 0}, CodeUnknown},
	} {
		_, err := l.After(t.Context(), c.from)
		if e := wantResync(t, err, c.code); e.From != c.from || e.Position != l.Head() || e.Oldest != l.Oldest() || e.Error() != "resync_required: "+e.Reason {
			t.Errorf("After(%v) = %#v; want from there, oldest and head of the log (%s)", c.from, e, c.name)
		}
	}
	if _, err := l.After(t.Context(), wal.Position{LSN: 0x1100, Seq: 1}); err != nil {
		t.Errorf("After(the newest change that has left): %v; want a cursor, nothing is missing", err)
	}
}

func TestAfterSaysWhyAnOldPositionIsOfAnotherHistory(t *testing.T) {
	l := New(Config{Window: time.Minute})
	l.Begin(history, 0x1000, CodeSlotMissing) // the first since the process started
	l.Append(noon, rows(0x1100, 1), 0x1200)
	_, err := l.After(t.Context(), wal.Position{LSN: 0x900, Seq: 0})
	wantResync(t, err, CodeSlotMissing)
	l.Release(noon.Add(time.Hour))
	_, err = l.After(t.Context(), wal.Before(0x1000))
	wantResync(t, err, CodeTooOld)
}

func TestAfterWaitsForTheLogToBeRefilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Config{Window: time.Minute})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		got := make(chan *Cursor)
		go func() {
			c, err := l.After(ctx, wal.Position{LSN: 0x1200, Seq: 1})
			if err != nil {
				t.Errorf("After a position that is yet to be read again: %v", err)
			}
			got <- c
		}()
		synctest.Wait()
		l.Begin(history, 0x1000, "")
		l.Append(noon, rows(0x1100, 2), 0x1200)
		l.Append(noon, rows(0x1200, 3)[:1], 0)
		synctest.Wait()
		select {
		case <-got:
			t.Fatal("After returned before the log had come that far")
		default:
		}
		l.Append(noon, rows(0x1200, 3), 0x1300)
		wantNext(t, <-got, 0, "0/1200:2")
	})
}

func TestAfterTakesAPositionForUnknownWhenItsTimeIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := begunLog(0)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		future := wal.Position{LSN: 0xFFFF_0000_0000, Seq: 0}
		_, err := l.After(ctx, future)
		if e := wantResync(t, err, CodeUnknown); e.From != future || e.Position != l.Head() {
			t.Errorf("After = %+v; want from %v, position %v", e, future, l.Head())
		}
		ctx, stop := context.WithCancel(t.Context())
		stop()
		if _, err := l.After(ctx, future); !errors.Is(err, context.Canceled) {
			t.Errorf("After with a cancelled context: %v; want context.Canceled", err)
		}
	})
}

func TestAfterLearnsOfAnotherHistoryWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, failed := begunLog(0), make(chan error)
		go func() { failed <- second(l.After(t.Context(), wal.Position{LSN: 0x1200, Seq: 1})) }()
		synctest.Wait()
		l.Begin(History{System: "other"}, 0x9000, CodeOtherCluster)
		wantResync(t, <-failed, CodeOtherCluster)
	})
}

func TestResumeRefusesAStandingOfAnotherHistory(t *testing.T) {
	l := begunLog(0)
	l.Append(noon, rows(0x1100, 2), 0x1200)
	at := wal.Position{LSN: 0x1100, Seq: 0}
	c, err := l.Resume(t.Context(), Standing{History: history, Position: at})
	if err != nil {
		t.Fatal(err)
	}
	wantNext(t, c, 0, "0/1100:1")
	kept := History{System: history.System} // over a restart, without the slot's name
	if _, err := l.Resume(t.Context(), Standing{History: kept, Position: at}); err != nil {
		t.Errorf("Resume of a standing that was kept over a restart: %v", err)
	}
	_, err = l.Resume(t.Context(), Standing{History: History{System: "another"}, Position: at})
	wantResync(t, err, CodeHistory)
}

func TestResumeWaitsForTheLogToBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, failed := New(Config{Window: time.Minute}), make(chan error)
		standing := Standing{History: history, Position: wal.Position{LSN: 0x1200}}
		go func() { failed <- second(l.Resume(t.Context(), standing)) }()
		synctest.Wait()
		l.Begin(History{System: "another"}, 0x9000, CodeOtherCluster)
		wantResync(t, <-failed, CodeOtherCluster)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := New(Config{}).Resume(ctx, standing)
		wantResync(t, err, CodeUnknown)
	})
}

func TestReachMovesOverWhatHoldsNoChanges(t *testing.T) {
	l := begunLog(0)
	l.Append(noon, rows(0x1100, 2), 0x1200)
	last := wal.Position{LSN: 0x1100, Seq: 1}
	l.Append(noon, nil, 0x1400) // a keepalive
	if got := l.Reach(Standing{history, last}); got != (Standing{history, l.Head()}) {
		t.Errorf("Reach from the last change = %+v; want Head, %v", got, l.Head())
	}
	for _, stays := range []Standing{
		{history, wal.Position{LSN: 0x1100, Seq: 0}},  // a change follows
		{History{System: "another"}, last},            // of another history
		{history, wal.Position{LSN: 0x2000, Seq: 0}},  // not reached yet
		{history, wal.Position{LSN: 0x0800, Seq: 10}}, // changes after it have left
	} {
		if got := l.Reach(stays); got != stays {
			t.Errorf("Reach(%+v) = %+v; want it unmoved", stays, got)
		}
	}
}
