package channels

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"walcast/diagnose"
	"walcast/protocol"
	"walcast/replication/catalog"
)

// said are the system events of a client, as status, code and message.
func (c *client) said() (lines []string) {
	c.f.Helper()
	for _, m := range c.waitFor(protocol.EventSystem, 0) {
		lines = append(lines, fmt.Sprint(m.payload["status"], " ", m.payload["code"], " ", m.payload["message"]))
	}
	return lines
}

// crowd has clients on one topic, each with a binding of its own.
func (f *fixture) crowd(n int) []*client {
	all := make([]*client, n)
	for i := range all {
		all[i] = f.connect("anon", "")
		all[i].join("realtime:room", bindings(fmt.Sprintf(`{"event":"*","schema":"public","table":"here","filter":"id=eq.%d"}`, i)))
		all[i].waitFor(protocol.EventSystem, 1)
	}
	return all
}

// waitChecked waits until nothing is left to be looked at again.
func (f *fixture) waitChecked() {
	f.Helper()
	limit, turns := time.After(patient), f.hub.arming.turns
	for {
		turns.mu.Lock()
		left := len(turns.later) + len(turns.checks)
		turns.mu.Unlock()
		if left == 0 {
			return
		}
		select {
		case <-limit:
			f.Fatalf("%d checks are left", left)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// prints are the present fingerprints of what the channels depend on.
func (f *fixture) prints() catalog.Prints {
	f.Helper()
	tables, _ := f.hub.arming.armed.wanted()
	found, err := f.hub.arming.checker.Prints(f.Context(), tables)
	if err != nil {
		f.Fatal(err)
	}
	return found
}

// TestAChannelThatIsAloneOnATableIsLookedAtAgainOnce: its check may have begun before the
// fingerprint of the table was first taken, but none after.
func TestAChannelThatIsAloneOnATableIsLookedAtAgainOnce(t *testing.T) {
	f := newFixture(t, DefaultConfig(), `create table here (id int primary key); grant select on here to anon`)
	f.Relation("here")
	f.crowd(1)
	a := f.hub.arming
	a.lookAgain(t.Context())
	f.waitChecked()
	if again := a.armed.compare(f.prints(), now()); len(again) > 0 {
		t.Error("a channel is to be looked at again although nothing has changed since")
	}
}

// TestASecondLookAtManyAsksOnce breaks a table for clients with filters of their own.
func TestASecondLookAtManyAsksOnce(t *testing.T) {
	f := newFixture(t, DefaultConfig(), twoTables+`; create table there (id int primary key)`)
	f.db.Exec("drop publication rows; create publication rows for table here")
	all := f.crowd(200)
	f.hub.arming.lookAgain(t.Context()) // channels that have joined meanwhile may be looked at once more
	f.waitChecked()
	f.db.Exec(`alter publication rows drop table here`)
	before := f.db.Pool.Stat().AcquireCount()
	for range 2 { // of which the watch may do one itself
		f.hub.arming.lookAgain(t.Context())
	}
	f.waitChecked()
	if asked := f.db.Pool.Stat().AcquireCount() - before; asked > 60 { // others ask too, meanwhile
		t.Errorf("the database was asked %d times about %d channels; want a few", asked, len(all))
	}
	for _, c := range all {
		if told := c.waitFor(protocol.EventSystem, 2)[1].payload; told["code"] != "not_published" || told["status"] != "error" {
			t.Fatalf("told %v; want not_published", told)
		}
	}
	f.db.Exec(`create role somebody_else; drop role somebody_else; alter publication rows add table here`)
	f.hub.arming.lookAgain(t.Context())
	for _, c := range all {
		if told := c.waitFor(protocol.EventSystem, 3)[2].payload; told["message"] != protocol.MessageSubscribed {
			t.Fatalf("told %v; want %s", told, protocol.MessageSubscribed)
		}
	}
	for range 2 { // the first look only learns the table
		f.hub.arming.lookAgain(t.Context())
		f.waitChecked()
	}
	if again := f.hub.arming.armed.compare(f.prints(), now()); len(again) > 0 {
		t.Errorf("%d channels are looked at again although nothing has changed", len(again))
	}
	for _, c := range all {
		c.session.Close()
	}
	if tables, any := f.hub.arming.armed.wanted(); any || len(tables) > 0 {
		t.Errorf("%v are still looked at for nobody", tables)
	}
}

// TestWhatBreaksBeforeTheFirstLookIsTold, as no fingerprint of before is there.
func TestWhatBreaksBeforeTheFirstLookIsTold(t *testing.T) {
	f := newFixture(t, DefaultConfig(), twoTables)
	c := f.connect("anon", "")
	c.join("realtime:room", bindings(`{"event":"*","schema":"public","table":"here","filter":"id=eq.1"}`))
	c.waitFor(protocol.EventSystem, 1)
	f.db.Exec(`alter table here rename id to key`)
	if told := c.waitFor(protocol.EventSystem, 2)[1].payload; told["code"] != "unknown_column" {
		t.Errorf("told %v; want unknown_column", told)
	}
}

// TestAnOutageIsToldOnceByOneFrameOfATopic: all channels of a topic share it.
func TestAnOutageIsToldOnceByOneFrameOfATopic(t *testing.T) {
	var feed atomic.Pointer[Feed]
	feed.Store(&Feed{Streams: true})
	config := DefaultConfig()
	config.Feed = func() Feed { return *feed.Load() }
	f := newFixture(t, config, twoTables)
	all := f.crowd(20)
	f.waitChecked()
	armed, start := f.hub.arming.armed, time.Now()
	feed.Store(&Feed{})
	for i := range 3 { // a moment is no outage, and one is told once
		armed.feed(*feed.Load(), start.Add(time.Duration(i)*outageAfter))
	}
	late := f.connect("anon", "")
	late.join("realtime:room", bindings(`{"event":"*","schema":"public","table":"here"}`))
	late.waitFor(protocol.EventSystem, 2)
	feed.Store(&Feed{Streams: true})
	armed.feed(*feed.Load(), start)
	armed.feed(*feed.Load(), start)
	const subscribed = "ok <nil> Subscribed to PostgreSQL"
	want := []string{subscribed, "ok database_away warning: " + protocol.MessageDatabaseAway, subscribed}
	for _, c := range append(all, late) {
		messages := c.waitFor(protocol.EventSystem, 3)
		if diff := cmp.Diff(want, c.said()); diff != "" {
			t.Fatalf("told (-want +got):\n%s", diff)
		}
		if first := all[0].waitFor(protocol.EventSystem, 3); messages[2].frame != first[2].frame || c != late && messages[1].frame != first[1].frame {
			t.Error("clients on one topic have frames of their own")
		}
	}
}

// TestWithoutAPublicationAChannelHearsOnce: of its own table, or that changes are lost.
func TestWithoutAPublicationAChannelHearsOnce(t *testing.T) {
	var feed atomic.Pointer[Feed]
	feed.Store(&Feed{Streams: true})
	config := DefaultConfig()
	config.Feed = func() Feed { return *feed.Load() }
	f := newFixture(t, config, twoTables)
	c := f.crowd(1)[0]
	f.db.Exec(`drop publication rows`)
	c.waitFor(protocol.EventSystem, 2)
	feed.Store(&Feed{PublicationMissing: true})
	armed, start := f.hub.arming.armed, time.Now()
	armed.feed(*feed.Load(), start)
	armed.feed(*feed.Load(), start.Add(2*outageAfter))
	f.db.Exec(`create publication rows for table here`)
	f.hub.arming.lookAgain(t.Context())
	f.waitChecked()
	if n := c.count(protocol.EventSystem); n != 2 {
		t.Errorf("told %v; want nothing before changes come", c.said())
	}
	feed.Store(&Feed{Streams: true})
	armed.feed(*feed.Load(), start)
	c.waitFor(protocol.EventSystem, 3)
	said := c.said()
	if len(said) != 3 || said[1][:len("error publication_missing")] != "error publication_missing" || said[2] != "ok <nil> "+protocol.MessageSubscribed {
		t.Errorf("told %q; want publication_missing once, and that it works", said)
	}
}

// TestAChannelWhoseOtherBindingIsOffHasStopped: of two bindings one is switched off, and
// then the other breaks; or the other way round.
func TestAChannelWhoseOtherBindingIsOffHasStopped(t *testing.T) {
	f := newFixture(t, DefaultConfig(), twoTables)
	c := f.connect("anon", "")
	c.join("realtime:room", bindings(`{"event":"INSERT","schema":"public","table":"here","filter":"id=eq.1"},{"event":"DELETE","schema":"public","table":"here"}`))
	c.waitFor(protocol.EventSystem, 1)
	ch, armed := c.session.channels["realtime:room"], f.hub.arming.armed
	all := ch.rows.Bindings()
	found := func(broken ...diagnose.Binding) (f diagnose.Finding) {
		for _, b := range broken {
			f.Broken = append(f.Broken, b.Spec)
			f.Refusals = []protocol.Problem{{Code: "broken", Message: "it does not work"}}
			f.Refused = &f.Refusals[0]
		}
		return f
	}
	left := all[1:] // as the first was switched off meanwhile, or before
	for _, step := range []struct {
		name     string
		found    diagnose.Finding
		bindings []diagnose.Binding
		told     string
		first    bool // the first binding is noted as broken
	}{
		{"one of two breaks", found(all[0]), all, "ok broken warning: it does not work", true},
		{"it is mended", found(), all, "ok <nil> Subscribed to PostgreSQL", false},
		{"the one that is left breaks", found(left[0]), left, "error broken it does not work", true},
		{"it is mended as well", found(), left, "ok <nil> Subscribed to PostgreSQL", false},
		{"one breaks that was switched off meanwhile", found(all[0]), left, "ok broken warning: it does not work", true},
		{"both break", found(all...), all, "error broken it does not work", true},
	} {
		before := len(c.said())
		armed.learn(ch, step.found, step.bindings)
		if told := c.said()[before:]; len(told) != 1 || told[0] != step.told {
			t.Errorf("%s: told %q; want %q", step.name, told, step.told)
		}
		if got := armed.isBroken(ch, all[0].Spec); got != step.first {
			t.Errorf("%s: the first counts as broken: %v", step.name, got)
		}
	}
}

// TestAChannelWhoseBindingsAreOffIsNotToldThatTheyWork: of a channel whose last binding
// was switched off nothing works, whatever happens to the database after that.
func TestAChannelWhoseBindingsAreOffIsNotToldThatTheyWork(t *testing.T) {
	var feed atomic.Pointer[Feed]
	feed.Store(&Feed{Streams: true})
	config := DefaultConfig()
	config.Feed = func() Feed { return *feed.Load() }
	f := newFixture(t, config, twoTables)
	all := f.crowd(2)
	f.waitChecked()
	armed, start := f.hub.arming.armed, time.Now()
	off := all[0].session.channels["realtime:room"]
	off.rows.Detach() // which is what it comes to
	feed.Store(&Feed{})
	armed.feed(*feed.Load(), start)
	armed.feed(*feed.Load(), start.Add(2*outageAfter))
	feed.Store(&Feed{Streams: true})
	armed.feed(*feed.Load(), start)
	all[1].waitFor(protocol.EventSystem, 3) // that it is away, and that it is back
	if told := all[0].said(); len(told) != 1 {
		t.Errorf("told %q; want nothing after the first", told)
	}
}
