package changelog

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"walcast/replication/wal"
)

var (
	noon    = time.Date(2024, 2, 3, 12, 0, 0, 0, time.UTC)
	history = History{System: "7000000000000000001", Timeline: 1, Slot: "walcast"}
)

// begunLog has a window of a minute and starts at 0/1000.
func begunLog(bytes int64) *Log {
	l := New(Config{Bytes: bytes, Window: time.Minute})
	l.Begin(history, 0x1000, "")
	return l
}

// rows are n changes of 100 bytes of the transaction that commits at lsn.
func rows(lsn wal.LSN, n int) []*wal.Change {
	changes := make([]*wal.Change, n)
	for i := range changes {
		changes[i] = &wal.Change{Position: wal.Position{LSN: lsn, Seq: uint32(i)}, Operation: wal.Insert, Bytes: 100}
	}
	return changes
}

// ended is a transaction of n changes and the Commit that ends it.
func ended(lsn wal.LSN, n int) []*wal.Change {
	return append(rows(lsn, n), &wal.Change{Position: wal.Position{LSN: lsn, Seq: uint32(n)}, Operation: wal.Commit, Bytes: 100})
}

// positions prints what was delivered.
func positions(changes []*wal.Change) []string {
	out := []string{}
	for _, c := range changes {
		out = append(out, c.Position.String())
	}
	return out
}

func wantNext(t *testing.T, c *Cursor, limit int, want ...string) {
	t.Helper()
	got, err := c.Next(t.Context(), limit)
	if diff := cmp.Diff(want, positions(got)); diff != "" || err != nil {
		t.Fatalf("Next(%d): error %v, changes (-want +got):\n%s", limit, err, diff)
	}
}

// wantNothing fails if the cursor has something to return.
func wantNothing(t *testing.T, c *Cursor) {
	t.Helper()
	if got, wait, err := c.Take(0); wait == nil {
		t.Fatalf("cursor at %v has %v, error %v; want it to wait", c.position, positions(got), err)
	}
}

func wantResync(t *testing.T, err error, code string) *ResyncError {
	t.Helper()
	var e *ResyncError
	if !errors.As(err, &e) || e.Code != code {
		t.Fatalf("error = %#v; want a resync with code %s", err, code)
	}
	return e
}

func TestCursorSeesEveryChangeOnceInOrder(t *testing.T) {
	l := begunLog(0)
	early := l.Follow()
	l.Append(noon, rows(0x1000, 3), 0x1100)
	late := l.Follow()
	l.Append(noon, rows(0x1100, 2), 0x1200)
	wantNext(t, early, 2, "0/1000:0", "0/1000:1")
	wantNext(t, early, 0, "0/1000:2", "0/1100:0", "0/1100:1")
	wantNext(t, late, 10, "0/1100:0", "0/1100:1")
	if got := late.position; got != (wal.Position{LSN: 0x1100, Seq: 1}) {
		t.Errorf("Position = %v; want that of the last change, 0/1100:1", got)
	}
	wantNothing(t, early)
	wantNothing(t, late)
}

func TestNextWaitsForAppend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := begunLog(0)
		got := make(chan []string)
		for range 3 {
			c := l.Follow()
			go func() {
				changes, _ := c.Next(t.Context(), 0)
				got <- positions(changes)
			}()
		}
		synctest.Wait()
		l.Append(noon, nil, 0x1100) // a keepalive wakes nobody for good
		synctest.Wait()
		l.Append(noon, rows(0x1100, 1), 0)
		for range 3 {
			if p := <-got; !slices.Equal(p, []string{"0/1100:0"}) {
				t.Errorf("Next = %v; want 0/1100:0", p)
			}
		}
	})
}

func TestNextEndsWithItsContext(t *testing.T) {
	l := begunLog(0)
	l.Append(noon, rows(0x1000, 1), 0x1100)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := l.Follow().Next(ctx, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("Next = %v, %v; want context.Canceled", got, err)
	}
}

func TestWhatComesAgainIsDropped(t *testing.T) {
	l := begunLog(0)
	c := l.Follow()
	l.Append(noon, rows(0x1000, 2), 0x1100)
	l.Append(noon, rows(0x1100, 3)[:2], 0)
	l.Begin(history, 0x1000, "") // reconnected
	l.Append(noon, rows(0x1000, 2), 0x1100)
	l.Append(noon, rows(0x1100, 3), 0x1200)
	l.Append(noon, nil, 0x1100)
	wantNext(t, c, 0, "0/1000:0", "0/1000:1", "0/1100:0", "0/1100:1", "0/1100:2")
	if got, want := l.Head(), wal.Before(0x1200); got != want {
		t.Errorf("Head = %v; want %v", got, want)
	}
}

func TestHeadIsCompleteUpToTheEndOfATransaction(t *testing.T) {
	l := begunLog(0)
	for _, step := range []struct {
		name    string
		changes []*wal.Change
		end     wal.LSN
		want    wal.Position
	}{
		{"begun", nil, 0, wal.Before(0x1000)},
		{"amid a transaction", rows(0x1100, 2), 0, wal.Position{LSN: 0x1100, Seq: 1}},
		{"a keepalive amid a transaction tells nothing", nil, 0x1100, wal.Position{LSN: 0x1100, Seq: 1}},
		{"its end", nil, 0x1180, wal.Before(0x1180)},
		{"a keepalive", nil, 0x1200, wal.Before(0x1200)},
		{"a commit where the keepalive stands", rows(0x1200, 1), 0x1280, wal.Before(0x1280)},
		{"a late keepalive", nil, 0x1200, wal.Before(0x1280)},
	} {
		l.Append(noon, step.changes, step.end)
		if got := l.Head(); got != step.want {
			t.Errorf("%s: Head = %v; want %v", step.name, got, step.want)
		}
	}
	if got := l.Stats(); got.Changes != 3 || got.Bytes != 300 || got.Head != l.Head() || got.Oldest != l.Oldest() {
		t.Errorf("Stats = %+v; want 3 changes of 300 bytes", got)
	}
}

func TestReleaseConfirmsWhatHasLeftCompletely(t *testing.T) {
	l := begunLog(0)
	at := func(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }
	wantRelease := func(seconds int, want wal.LSN, oldest wal.Position) {
		t.Helper()
		if got := l.Release(at(seconds)); got != want || l.Oldest() != oldest {
			t.Errorf("Release after %d s = %v, oldest %v; want %v, oldest %v", seconds, got, l.Oldest(), want, oldest)
		}
	}
	l.Append(at(0), rows(0x1100, 2), 0x1200)
	l.Append(at(10), nil, 0x1300) // a keepalive passes the window, too
	l.Append(at(20), rows(0x1400, 2), 0)
	l.Append(at(30), nil, 0x1500)
	wantRelease(59, 0, wal.Before(0x1000))
	wantRelease(60, 0x1200, wal.Position{LSN: 0x1100, Seq: 1})
	wantRelease(69, 0x1200, wal.Position{LSN: 0x1100, Seq: 1})
	wantRelease(70, 0x1300, wal.Position{LSN: 0x1100, Seq: 1})
	wantRelease(80, 0x1300, wal.Position{LSN: 0x1400, Seq: 1}) // the rows have left, the commit has not
	wantRelease(90, 0x1500, wal.Position{LSN: 0x1400, Seq: 1})
	wantRelease(1000, 0x1500, wal.Position{LSN: 0x1400, Seq: 1})
	if got := l.Stats(); got.Changes != 0 || got.Bytes != 0 {
		t.Errorf("Stats of an empty log = %+v", got)
	}
}

func TestIdleLogStaysSmall(t *testing.T) {
	l := begunLog(0)
	for i := range 100_000 { // ten minutes of keepalives from busy neighbours
		l.Append(noon.Add(time.Duration(i)*6*time.Millisecond), nil, wal.LSN(0x2000+8*i))
		l.Release(noon.Add(time.Duration(i) * 6 * time.Millisecond))
	}
	if got := len(l.chunks.list); got > 2*chunkParts {
		t.Errorf("%d chunks for keepalives of a minute; want at most %d", got, 2*chunkParts)
	}
	if got, want := l.Release(noon.Add(10*time.Minute)), wal.LSN(0x2000+8*85_000); got < want {
		t.Errorf("Release = %v; want more than %v: keepalives of nine minutes ago", got, want)
	}
}

func TestOldestChangesLeaveEarlyWhenThereAreTooMany(t *testing.T) {
	l := begunLog(1000)
	behind, before := l.Follow(), l.Head()
	l.Append(noon, rows(0x1100, 4), 0x1200)
	wantNext(t, behind, 1, "0/1100:0")
	inside := behind.position
	ahead := l.Follow()
	l.Append(noon, rows(0x1200, 9), 0x1300)
	if got := l.Stats(); got.Bytes > 1000 || got.Oldest != (wal.Position{LSN: 0x1100, Seq: 2}) {
		t.Errorf("Stats = %+v; want at most 1000 bytes, oldest 0/1100:2", got)
	}
	if got := l.Release(noon); got != 0 {
		t.Errorf("Release = %v; want 0 while a change of the first transaction is held", got)
	}
	e := wantResync(t, second(behind.Next(t.Context(), 0)), CodeTooOld)
	if e.From != inside || e.Oldest != l.Oldest() || e.Position != l.Head() || behind.position != l.Head() {
		t.Errorf("resync = %+v, cursor at %v; want from %v, oldest %v, now at %v", e, behind.position, inside, l.Oldest(), l.Head())
	}
	_, err := l.After(t.Context(), before)
	wantResync(t, err, CodeTooOld)
	l.Append(noon, rows(0x1300, 1), 0x1400)
	if got := l.Release(noon); got != 0x1200 {
		t.Errorf("Release = %v; want 0/1200 now that the first transaction has left", got)
	}
	wantNext(t, behind, 0, "0/1300:0")
	wantNext(t, ahead, 1, "0/1200:0")
}

// second is the error of a call with two results.
func second[T any](_ T, err error) error { return err }

func TestTransactionLargerThanTheLog(t *testing.T) {
	l := begunLog(1000)
	l.Append(noon, rows(0x1100, 1), 0x1200)
	follower := l.Follow()
	all := rows(0x1200, 1000)
	for i := 0; i < len(all); i += 10 {
		l.Append(noon, all[i:i+5], 0)
		l.Append(noon, all[i+5:i+10], 0)
		wantNext(t, follower, 0, positions(all[i:i+1])...) // keeps up, chunk by chunk
		for follower.position != all[i+9].Position {
			if _, err := follower.Next(t.Context(), 0); err != nil {
				t.Fatalf("Next of a cursor that keeps up: %v", err)
			}
		}
		if got := l.Release(noon.Add(30 * time.Second)); got != 0 && got != 0x1200 {
			t.Fatalf("Release amid a transaction = %v; want the end of the one before", got)
		}
	}
	if got := l.Stats().Bytes; got > 1000 {
		t.Errorf("%d bytes held; want at most 1000", got)
	}
	_, err := l.After(t.Context(), all[500].Position)
	wantResync(t, err, CodeTooOld)
	if got := l.Release(noon.Add(time.Hour)); got != 0x1200 {
		t.Errorf("Release before the commit = %v; want 0/1200 though all changes have left", got)
	}
	l.Append(noon.Add(time.Hour), nil, 0x1300)
	if got := l.Release(noon.Add(2 * time.Hour)); got != 0x1300 {
		t.Errorf("Release after the commit = %v; want 0/1300", got)
	}
}

func TestChangeLargerThanTheLogIsDelivered(t *testing.T) {
	l := begunLog(1000)
	c := l.Follow()
	l.Append(noon, rows(0x1100, 2), 0x1200)
	huge := rows(0x1200, 1)
	huge[0].Bytes = 5000
	l.Append(noon, huge, 0x1300)
	wantResync(t, second(c.Next(t.Context(), 0)), CodeTooOld)
	c, err := l.After(t.Context(), wal.Position{LSN: 0x1100, Seq: 1})
	if err != nil {
		t.Fatalf("After(0/1100:1): %v", err)
	}
	wantNext(t, c, 0, "0/1200:0")
}

func TestBeginAgainWithTheSameHistoryGoesOn(t *testing.T) {
	l := begunLog(0)
	c := l.Follow()
	l.Append(noon, rows(0x1100, 1), 0x1200)
	l.Begin(history, 0x1200, CodeSlotLost)
	wantNext(t, c, 0, "0/1100:0")
	if got := l.History(); got != history {
		t.Errorf("History = %+v; want %+v", got, history)
	}
}

func TestCursorsOfAnotherHistoryResync(t *testing.T) {
	other := History{System: "7000000000000000002", Timeline: 1, Slot: "walcast"}
	for _, c := range []struct {
		name   string
		h      History
		start  wal.LSN
		reason string
		code   string
		text   string
	}{
		{"with a code", other, 0x5000, CodeSlotLost, CodeSlotLost, "Postgres invalidated the replication slot"},
		{"with a sentence", other, 0x100, "the moon is full", CodeHistory, "the moon is full"},
		{"with no reason", other, 0x5000, "", CodeHistory, sentence(CodeHistory)},
		{"the same history with a hole", history, 0x5000, "", CodeSlotAdvanced, sentence(CodeSlotAdvanced)},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := begunLog(0)
			cursor := l.Follow()
			l.Append(noon, rows(0x1100, 2), 0x1200)
			wantNext(t, cursor, 1, "0/1100:0")
			l.Begin(c.h, c.start, c.reason)
			e := wantResync(t, second(cursor.Next(t.Context(), 0)), c.code)
			if e.Reason != c.text || e.From != (wal.Position{LSN: 0x1100, Seq: 0}) || e.Position != wal.Before(c.start) {
				t.Errorf("resync = %+v; want %q from 0/1100:0, position %v", e, c.text, wal.Before(c.start))
			}
			if got := l.Release(noon.Add(time.Hour)); got != 0 {
				t.Errorf("Release = %v; want nothing of the old history", got)
			}
			l.Append(noon, rows(c.start, 1), c.start+0x100)
			wantNext(t, cursor, 0, wal.Position{LSN: c.start, Seq: 0}.String())
		})
	}
}

func TestWaitingCursorLearnsOfAnotherHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := begunLog(0)
		c, failed := l.Follow(), make(chan error)
		go func() { failed <- second(c.Next(t.Context(), 0)) }()
		synctest.Wait()
		l.Begin(History{System: "other"}, 0x1000, CodeOtherCluster)
		wantResync(t, <-failed, CodeOtherCluster)
	})
}

func TestFollowBeforeBeginStandsAtTheBeginning(t *testing.T) {
	l := New(Config{Window: time.Minute})
	c := l.Follow()
	wantNothing(t, c)
	l.Begin(history, 0x1000, "")
	l.Append(noon, rows(0x1000, 1), 0x1100)
	wantNext(t, c, 0, "0/1000:0")

	l = New(Config{Window: time.Minute})
	c = l.Follow()
	l.Begin(history, 0x1000, "")
	l.Append(noon, rows(0x1000, 1), 0x1100)
	l.Release(noon.Add(time.Hour))
	wantResync(t, second(c.Next(t.Context(), 0)), CodeTooOld)
}

func TestLiveIsBehindWhatIsReadAgain(t *testing.T) {
	l := begunLog(0)
	l.Refill(0x3000)
	if got := l.Live(); got != wal.Before(0x3000) {
		t.Errorf("Live while changes are read again = %v; want %v", got, wal.Before(0x3000))
	}
	l.Append(noon, rows(0x3000, 1), 0x3100)
	if got := l.Live(); got != l.Head() {
		t.Errorf("Live = %v; want Head, %v", got, l.Head())
	}
}

func TestAppendBeforeBeginPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("Append before Begin went well")
		}
	}()
	New(Config{}).Append(noon, nil, 1)
}

// TestOnlyTheFirstHistorySaysWhatWasBeforeTheLog: a slot that is dropped and made anew
// later is no sign that there was none at first.
func TestOnlyTheFirstHistorySaysWhatWasBeforeTheLog(t *testing.T) {
	for _, c := range []struct {
		reasons []string // of histories, one after the other
		want    string
	}{
		{nil, ""},
		{[]string{CodeSlotMissing}, CodeSlotMissing},
		{[]string{"", CodeSlotMissing}, ""},
		{[]string{CodeSlotMissing, CodeSlotMissing}, ""},
	} {
		l := New(Config{Window: time.Minute})
		for i, reason := range c.reasons {
			l.Begin(History{System: "1", Slot: string(rune('a' + i))}, 0x1000, reason)
		}
		if got := l.FirstReason(); got != c.want {
			t.Errorf("after %q FirstReason = %q; want %q", c.reasons, got, c.want)
		}
	}
}
