package resume

import (
	"testing"
	"time"
)

// private is the key of a client on a private topic.
func private(client string) Key {
	k := of(client)
	k.Private = true
	return k
}

func TestWhatIsSentToWhoMayNotReadIsNotOwedLater(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(*Bookmark)
		want Known
	}{
		{"who may read all the time", func(b *Bookmark) { b.Leave(noon) }, Known{Memory: Remembered, Proven: at(1), Heard: 5}},
		{"barred here", func(b *Bookmark) { b.Bar(); b.Leave(noon) }, Known{Memory: Forgotten}},
		{"barred while away", func(b *Bookmark) { b.Leave(noon); b.Bar() }, Known{Memory: Forgotten}},
		{"admitted again", func(b *Bookmark) { b.Bar(); b.Admit(); b.Leave(noon) }, Known{Memory: Forgotten}},
		{"admitted again, and has proven something since", func(b *Bookmark) {
			b.Bar()
			b.Admit()
			b.prove(b.present(), at(9), 9)
			b.Leave(noon)
		}, Known{Memory: Remembered, Proven: at(9), Heard: 9}},
		{"forgotten here", func(b *Bookmark) { b.Forget(); b.Leave(noon) }, Known{}},
		{"forgotten while away", func(b *Bookmark) { b.Leave(noon); b.Forget() }, Known{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			clients := newClients()
			b := known(t, clients, private("a"), Known{})
			b.Start(at(1))
			b.Listen(5)
			c.do(b)
			known(t, clients, private("a"), c.want)
		})
	}
}

func TestAPingFromBeforeTheRightWasLostProvesNothing(t *testing.T) {
	clients := newClients()
	b := known(t, clients, private("a"), Known{})
	p := &served{bookmark: b, at: at(3), heard: 7}
	l := &Ledger{}
	l.Add(p)
	before := l.Mark()
	b.Bar()
	b.Admit()
	l.Proven(before)
	b.Leave(noon)
	known(t, clients, private("a"), Known{Memory: Forgotten})
}

func TestARightThatNobodyHasLookedAtForTooLongIsNoneToResumeBy(t *testing.T) {
	for _, c := range []struct {
		name string
		key  Key
		do   func(*Bookmark)
		want Memory
	}{
		{"public", of("a"), func(*Bookmark) {}, Remembered},
		{"private", private("a"), func(*Bookmark) {}, Forgotten},
		{"private, looked at all the time", private("a"), func(b *Bookmark) {
			for passed := -time.Minute; passed <= 0; passed += 5 * time.Second {
				b.Allowed(noon.Add(passed))
			}
		}, Remembered},
		{"private, looked at too late", private("a"), func(b *Bookmark) { b.Allowed(noon) }, Forgotten}, // the right may have gone and come meanwhile
		{"private, looked at by one that lost it", private("a"), func(b *Bookmark) { (&Bookmark{clients: b.clients, record: b.record}).Allowed(noon) }, Forgotten},
	} {
		t.Run(c.name, func(t *testing.T) {
			clients := NewClients(Config{Limit: 10, Memory: time.Hour, RightAge: func() time.Duration { return 5 * time.Second }}, func() string { return "" }, nil)
			b, _ := clients.Take(c.key, Fingerprint{}, Found{}, noon.Add(-time.Minute))
			b.Start(at(1))
			b.Leave(noon.Add(-time.Minute))
			c.do(b)
			if _, got := clients.Take(c.key, Fingerprint{}, Found{}, noon); got.Memory != c.want {
				t.Errorf("known as %v; want %v", got.Memory, c.want)
			}
		})
	}
}

func TestTheNewestChannelOfAClientHasItsRight(t *testing.T) {
	clients := newClients()
	first := known(t, clients, private("a"), Known{})
	second := known(t, clients, private("a"), Known{})
	first.Forget()
	if first.Holds() || !second.Holds() {
		t.Errorf("first holds %t, second %t; want the second alone", first.Holds(), second.Holds())
	}
}
