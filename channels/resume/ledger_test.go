package resume

import (
	"testing"

	"walcast/replication/changelog"
)

// served is a channel whose client can be recognised, or not.
type served struct {
	at       changelog.Standing
	heard    uint64
	bookmark *Bookmark
}

func (s *served) Standing() changelog.Standing { return s.at }
func (s *served) Heard() uint64                { return s.heard }
func (s *served) Bookmark() *Bookmark          { return s.bookmark }

func TestAPongProvesWhatWasPushedBeforeItsPing(t *testing.T) {
	c := newClients()
	a := &served{at: at(5), heard: 2, bookmark: known(t, c, of("a"), Known{})}
	gone := &served{at: at(9), heard: 9, bookmark: known(t, c, of("gone"), Known{})}
	l := &Ledger{}
	l.Add(a)
	l.Add(gone)
	l.Add(&served{}) // has no bookmark
	l.Remove(gone)
	ping := l.Mark()
	if want := "0/5:0#1"; ping != want {
		t.Errorf("Mark() = %q; want %q, the newest position", ping, want)
	}
	a.at, a.heard = at(6), 3
	l.Mark()
	l.Proven(ping)
	a.bookmark.Leave(noon)
	gone.bookmark.Leave(noon)
	known(t, c, of("a"), Known{Memory: Remembered, Proven: at(5), Heard: 2})
	known(t, c, of("gone"), Known{})
}

func TestALedgerKeepsTheOldestPingsOfASlowClient(t *testing.T) {
	l := &Ledger{}
	first := l.Mark()
	for range 3 * pingLimit {
		l.Mark()
	}
	last := l.Mark()
	if n := len(l.pings); n != pingLimit {
		t.Errorf("%d pings are noted; want %d", n, pingLimit)
	}
	if l.Proven(first); len(l.pings) != pingLimit-1 {
		t.Error("the oldest ping was forgotten")
	}
	if l.Proven("forged"); len(l.pings) != pingLimit-1 {
		t.Error("a pong that answers no ping had an effect")
	}
	if l.Proven(last); len(l.pings) != 0 {
		t.Error("the pings before the one that was answered are still noted")
	}
}

func TestASessionWithoutClientIDHasNoLedger(t *testing.T) {
	var l *Ledger
	l.Add(&served{})
	l.Proven(l.Mark())
	l.Remove(&served{})
}
