package access

import "testing"

func TestWhatIsKnownIsAsOldAsTheLookBeforeTheLast(t *testing.T) {
	var l looks
	if got := l.known(100); got > 0 {
		t.Errorf("known before any look: %d; want long ago", got)
	}
	l.note(0, false, 10, 11)
	l.note(1, false, 20, 21) // one has ended from 10 to 21
	l.note(1, false, 30, 31)
	l.note(3, false, 40, 49) // two more from 30 to 49
	l.note(4, false, 50, 51)
	for _, tt := range []struct{ at, want int64 }{{49, 30}, {50, 30}, {51, 30}, {99, 30}} {
		if got := l.known(tt.at); got != tt.want {
			t.Errorf("known at %d: of %d; want %d", tt.at, got, tt.want)
		}
	}
	if got := l.known(48); got > 0 {
		t.Errorf("known after one look: %d; want long ago", got)
	}
	l.note(5, false, 60, 62)
	if got := l.known(62); got != 40 {
		t.Errorf("known at 62: of %d; want 40", got)
	}
	if got := l.longest(); got != 39 {
		t.Errorf("longest %d; want 39, from 10 to 49", got)
	}
}

func TestWhatIsDecidedIsSentAfterALookOnceNoRowWaits(t *testing.T) {
	var l looks
	l.note(1, true, 10, 11)
	l.note(2, true, 20, 21) // a look has ended from 10 to 21
	l.note(3, false, 30, 31)
	if got := l.settled(10); got < 1000 {
		t.Errorf("settled at %d while rows wait; want never", got)
	}
	l.note(3, true, 40, 41)
	for at, want := range map[int64]int64{10: 41, 9: 41} {
		if got := l.settled(at); got != want {
			t.Errorf("what was decided at %d is settled at %d; want %d", at, got, want)
		}
	}
	if got := l.settled(21); got < 1000 {
		t.Errorf("settled at %d without a look that began later; want never", got)
	}
}
