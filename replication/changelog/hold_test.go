package changelog

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestAwaitWaitsForACursorThatHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := begunLog(1000)
		c := l.Follow()
		c.Hold()
		l.Append(noon, rows(0x1000, 10), 0x1100)
		room := make(chan time.Duration)
		go func() {
			waited, timedOut := l.Await(t.Context(), 200, time.Hour)
			if timedOut {
				t.Error("the cursor was not waited for")
			}
			room <- waited
		}()
		time.Sleep(time.Second) //nolint:forbidigo // of a fake clock
		synctest.Wait()
		select {
		case <-room:
			t.Fatal("there is room though nothing was read")
		default:
		}
		wantNext(t, c, 1, "0/1000:0")
		wantNext(t, c, 1, "0/1000:1")
		if waited := <-room; waited != time.Second {
			t.Errorf("waited %s; want 1s", waited)
		}
		l.Append(noon, rows(0x1100, 2), 0x1200)
		wantNext(t, c, 1, "0/1000:2")
		c.LetGo()
	})
}

func TestAwaitDoesNotWaitForACursorThatMakesNoHeadway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := begunLog(1000)
		stuck, slow := l.Follow(), l.Follow()
		stuck.Hold()
		slow.Hold()
		l.Append(noon, rows(0x1000, 10), 0x1100)
		go func() {
			time.Sleep(8 * time.Second) //nolint:forbidigo // of a fake clock
			for range 5 {
				_, _ = slow.Next(t.Context(), 1)
			}
		}()
		waited, timedOut := l.Await(t.Context(), 500, 10*time.Second)
		if waited != 10*time.Second || !timedOut {
			t.Errorf("Await = %s, %t; want its patience to end after 10s without headway", waited, timedOut)
		}
		if waited, timedOut = l.Await(t.Context(), 500, 10*time.Second); waited != 0 || timedOut {
			t.Errorf("Await = %s, %t; want it not to wait for a cursor that is stuck", waited, timedOut)
		}
		l.Append(noon, rows(0x1100, 5), 0x1200)
		_, err := stuck.Next(t.Context(), 1)
		wantResync(t, err, CodeTooOld)
		wantNext(t, slow, 1, "0/1000:5")
		waited, timedOut = l.Await(t.Context(), 1000, time.Second)
		if waited != time.Second || !timedOut {
			t.Errorf("Await = %s, %t; want it to wait for the other one", waited, timedOut)
		}
	})
}

func TestAwaitEndsWithItsContext(t *testing.T) {
	l := begunLog(1000)
	c := l.Follow()
	c.Hold()
	l.Append(noon, rows(0x1000, 10), 0x1100)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, timedOut := l.Await(ctx, 500, time.Hour); timedOut {
		t.Error("the cursor was not waited for")
	}
}

func TestOnlyCursorsThatHoldAreWaitedFor(t *testing.T) {
	l := begunLog(1000)
	l.Follow()
	held := l.Follow()
	held.Hold()
	held.LetGo()
	l.Append(noon, rows(0x1000, 10), 0x1100)
	if waited, timedOut := l.Await(t.Context(), 500, time.Hour); waited != 0 || timedOut {
		t.Errorf("Await = %s, %t; want no wait", waited, timedOut)
	}
}

func TestReleaseLeavesWhatIsHeld(t *testing.T) {
	l := begunLog(0)
	c := l.Follow()
	c.Hold()
	l.Append(noon, rows(0x1000, 2), 0x1100)
	l.Release(noon.Add(time.Hour))
	wantNext(t, c, 0, "0/1000:0", "0/1000:1")
	if confirmed := l.Release(noon.Add(time.Hour)); confirmed != 0x1100 || l.Stats().Changes != 0 {
		t.Errorf("confirmed %s with %d changes left; want 0/1100 and none", confirmed, l.Stats().Changes)
	}
}
