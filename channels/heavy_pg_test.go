package channels

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"walcast/internal/heavy"
	"walcast/internal/logtest"
	"walcast/protocol"
)

// many are bindings that are long to read and to index.
func many(filter string) string {
	var all []string
	for i := range heavy.Bindings + heavy.Bytes/50 {
		all = append(all, fmt.Sprintf(`{"event":"*","schema":"public","table":"messages","filter":"%s%d"}`, filter, i))
	}
	return bindings(strings.Join(all, ","))
}

// busy has as much heavy work as may be, until the caller calls free.
func (f *fixture) busy() (free func()) {
	for range f.hub.heavy.Most() {
		f.hub.heavy.Begin()
	}
	return func() {
		for range f.hub.heavy.Most() {
			f.hub.heavy.End()
		}
	}
}

// TestHeavyWorkHasNoMoreProcessorsTogetherThanMayBe: joins and ends with many
// bindings, new tokens for them, and catching up wait for each other. Rows and
// ordinary joins wait for none of them.
func TestHeavyWorkHasNoMoreProcessorsTogetherThanMayBe(t *testing.T) {
	f := newFixture(t, DefaultConfig(), messagesTable)
	rel := f.Relation("messages")
	one := bindings(`{"event":"*","schema":"public","table":"messages"}`)
	from := f.Changes.Head().Text()
	f.Commit(logtest.Insert(rel, "1", "1", "missed"))

	live := f.connect("anon", "")
	live.join("realtime:live", one)
	var heavies []*client
	for range 4 {
		heavies = append(heavies, f.connect("anon", ""))
	}
	for _, c := range heavies[1:3] {
		c.join("realtime:many", many("id=gt.-"))
	}
	free := f.busy()
	done := make(chan int, len(heavies))
	for i, act := range []func(){
		func() { heavies[0].join("realtime:many", many("id=gt.-")) },
		heavies[1].session.Close,
		func() {
			heavies[2].send("realtime:many", protocol.EventAccessToken, `{"access_token":"`+token(t, "anon", "other", time.Hour)+`"}`)
		},
	} {
		go func() {
			act()
			done <- i
		}()
	}
	late := heavies[3]
	late.send("realtime:late", protocol.EventJoin, `{"config":`+bindings(`{"event":"*","schema":"public","table":"messages","resume":{"from":"`+from+`"}}`)+`}`)
	late.waitFor(protocol.EventReply, 1)

	ordinary := f.connect("anon", "")
	ordinary.join("realtime:ordinary", one)
	f.Commit(logtest.Insert(rel, "2", "1", "live"))
	for _, c := range []*client{live, ordinary} {
		if got := records(c.waitFor(protocol.EventPostgresChanges, 1), "id"); fmt.Sprint(got) != "[2]" {
			t.Errorf("while others have much computed come the rows %v; want 2", got)
		}
	}
	if n := len(done); n > 0 {
		t.Errorf("%d do not wait for the heavy work of others", n)
	}
	if n := late.count(protocol.EventPostgresChanges); n > 0 {
		t.Errorf("%d rows that were missed came; want none while others have much computed", n)
	}
	free()
	var all []int
	for range 3 {
		all = append(all, <-done)
	}
	if slices.Sort(all); fmt.Sprint(all) != "[0 1 2]" {
		t.Errorf("%v go on", all)
	}
	if got := records(late.waitFor(protocol.EventPostgresChanges, 2), "id"); fmt.Sprint(got) != "[1 2]" {
		t.Errorf("to the client that comes back come the rows %v; want 1 and 2", got)
	}
}
