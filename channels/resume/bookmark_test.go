package resume

import (
	"testing"
	"time"

	"walcast/replication/changelog"
)

func newClients(sections ...Section) *Clients {
	return NewClients(Config{Limit: 10, Memory: time.Hour}, func() string { return "" }, nil, sections...)
}

// known checks what a client that joins is known to have, and returns its bookmark.
func known(t *testing.T, c *Clients, key Key, want Known) *Bookmark {
	t.Helper()
	b, got := c.Take(key, Fingerprint{}, Found{}, noon)
	if got != want {
		t.Errorf("client %q of %q is known as %+v; want %+v", key.Client, key.Sub, got, want)
	}
	return b
}

func TestAClientHasWhatItHasProven(t *testing.T) {
	c := newClients()
	b := known(t, c, of("a"), Known{})
	b.Start(at(1))
	b.Listen(5)
	b.Leave(noon)
	b = known(t, c, of("a"), Known{Memory: Remembered, Proven: at(1), Heard: 5})
	b.Start(at(2)) // it is not new
	b.Listen(6)
	b.prove(0, at(3), 0)
	b.Leave(noon)
	b = known(t, c, of("a"), Known{Memory: Remembered, Proven: at(3), Heard: 5})
	b.prove(0, at(4), 7)
	b.Leave(noon)
	known(t, c, of("a"), Known{Memory: Remembered, Proven: at(4), Heard: 7})
}

func TestAClientIsToldToResyncUntilItConfirms(t *testing.T) {
	c := newClients()
	b := known(t, c, of("a"), Known{})
	b.Start(changelog.Standing{}) // the log has not begun
	b.Leave(noon)
	for range 2 {
		b = known(t, c, of("a"), Known{Memory: Forgotten})
		b.Start(at(2))
		b.Listen(5)
		b.Leave(noon)
	}
	b = known(t, c, of("a"), Known{Memory: Forgotten})
	b.prove(0, at(3), 6)
	b.Leave(noon)
	known(t, c, of("a"), Known{Memory: Remembered, Proven: at(3), Heard: 6})
}

func TestOnlyTheNewestChannelIsTheClient(t *testing.T) {
	c := newClients()
	first := known(t, c, of("a"), Known{})
	first.Start(at(1))
	second := known(t, c, of("a"), Known{Memory: Remembered, Proven: at(1)})
	first.prove(0, at(10), 10)
	first.Rename("anon", "other")
	first.Discard()
	first.Leave(noon)
	second.Leave(noon)
	known(t, c, of("a"), Known{Memory: Remembered, Proven: at(1)})
}

func TestALeaveForgetsAClientThatHasConfirmedItsJoin(t *testing.T) {
	c := newClients()
	b := known(t, c, of("a"), Known{})
	b.Start(at(1))
	b.Discard() // perhaps only because the reply has not come yet
	b.Leave(noon)
	b = known(t, c, of("a"), Known{Memory: Remembered, Proven: at(1)})
	b.prove(0, at(2), 0)
	b.Discard()
	b.Leave(noon)
	known(t, c, of("a"), Known{})
}

func TestABookmarkFollowsItsChannelToAnotherSubject(t *testing.T) {
	c := newClients()
	b := known(t, c, of("a"), Known{})
	b.Start(at(1))
	b.Rename("authenticated", "u1")
	b.Leave(noon)
	known(t, c, of("a"), Known{})
	key := of("a")
	key.Role, key.Sub = "authenticated", "u1"
	known(t, c, key, Known{Memory: Remembered, Proven: at(1)})
}

func TestAChannelWithoutClientIDHasNoBookmark(t *testing.T) {
	var b *Bookmark
	b.Start(at(1))
	b.Listen(1)
	b.prove(0, at(1), 1)
	b.Rename("anon", "")
	b.Discard()
	b.Leave(noon)
	if got := b.Client(); got != "" {
		t.Errorf("Client() = %q; want none", got)
	}
}
