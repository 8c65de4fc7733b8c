package channels

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"walcast/internal/logtest"
	"walcast/policy"
	"walcast/protocol"
)

// asking is different bindings about each of which Postgres has to be asked.
func asking(from, n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(`{"event":"INSERT","schema":"public","table":"prices","filter":"cents=eq.%d"}`, from+i)
	}
	return bindings(strings.Join(list, ","))
}

func TestAVictimsBindingsAreCheckedWhileSixtyThousandOfOthersWait(t *testing.T) {
	const sessions, each = 6, 10_000
	f := newIdleFixture(t, DefaultConfig(), `create domain price as int check (value >= 0)`,
		`create table prices (id int primary key, cents price); grant select on prices to anon`)
	attackers := make([]*client, sessions)
	for i := range attackers {
		attackers[i] = f.connect("anon", "")
		attackers[i].send("realtime:attack", protocol.EventJoin, `{"config":`+asking(i*each, each)+`}`)
	}
	victim := f.connect("anon", "")
	victim.send("realtime:room", protocol.EventJoin, `{"config":`+asking(sessions*each, 1)+`}`)
	f.run()
	if told := victim.waitFor(protocol.EventSystem, 1)[0].payload["message"]; told != protocol.MessageSubscribed {
		t.Errorf("the victim is told %v; want %s", told, protocol.MessageSubscribed)
	}
	for i, c := range attackers {
		if c.count(protocol.EventSystem) > 0 {
			t.Errorf("attacker %d was checked before the victim", i)
		}
	}
	for _, c := range attackers {
		c.session.Close()
	}
}

func TestChecksOfASessionComeInTheirOrderAndSessionsTakeTurns(t *testing.T) {
	turns := newTurns()
	busy, idle := &Session{}, &Session{}
	var all []*channel
	for _, s := range []*Session{busy, busy, idle} {
		all = append(all, &channel{session: s})
		turns.add(all[len(all)-1])
	}
	turns.add(all[1]) // waits already
	var got []int
	take := func(then func(*turn)) {
		own, _ := turns.next(t.Context())
		for i, ch := range all {
			if ch == own.checks[0].channel {
				got = append(got, i)
			}
		}
		then(own)
	}
	end := func(own *turn) { turns.end(own) }
	take(turns.goOn)
	take(func(own *turn) { // asked for again while it is made
		turns.add(all[2])
		if turns.end(own) {
			t.Error("a check that was asked for again has ended")
		}
	})
	take(end)
	take(end)
	take(func(own *turn) { turns.postpone(own, 10*time.Millisecond) })
	take(end)
	if fmt.Sprint(got) != "[0 2 0 2 1 1]" {
		t.Errorf("checks are made in the order %v; want [0 2 0 2 1 1]", got)
	}
	if n := turns.size(); n != 0 || len(turns.of) != 0 || len(turns.line) != 0 {
		t.Errorf("%d checks are left; want none", n)
	}
}

func TestEqualBindingsOfEqualSubjectsAreCheckedOnce(t *testing.T) {
	f := newIdleFixture(t, DefaultConfig(), `create table prices (id int primary key, span interval); grant select on prices to anon`)
	f.run()
	ask := func() int64 {
		before := f.db.Pool.Stat().AcquireCount()
		c := f.connect("anon", "")
		equal := strings.Repeat(`{"event":"*","schema":"public","table":"prices","filter":"span=eq.1 day"},`, 1000)
		c.join("realtime:room", bindings(strings.TrimSuffix(equal, ",")))
		c.waitFor(protocol.EventSystem, 1)
		return f.db.Pool.Stat().AcquireCount() - before
	}
	if n := ask(); n > 20 {
		t.Errorf("%d connections are taken for a thousand equal bindings; want those for one", n)
	}
}

// TestASubjectThatWaitsForConnectionsHoldsUpNoChecksOfOthers has all connections
// taken that one subject may have, as by slow private joins, and its channels
// checked before that of another.
func TestASubjectThatWaitsForConnectionsHoldsUpNoChecksOfOthers(t *testing.T) {
	f := newIdleFixture(t, DefaultConfig(), messagesTable)
	f.widen(8)
	f.run()
	one := bindings(`{"event":"*","schema":"public","table":"messages"}`)
	var slow []*client
	for range armingWorkers + 1 {
		slow = append(slow, f.connect("anon", "slow"))
	}
	for _, c := range slow { // one subject, also where a second has passed
		c.session.identity.Token = slow[0].session.identity.Token
	}
	slow[0].join("realtime:quiet", `{}`)
	subject := slow[0].session.channels["realtime:quiet"].access.acting()
	var taken []func()
	for done, ok := f.policy.TryJoin(subject); ok; done, ok = f.policy.TryJoin(subject) {
		taken = append(taken, done)
	}
	for _, c := range slow {
		c.join("realtime:rows", one)
	}
	other := f.connect("anon", "other")
	other.join("realtime:rows", one)
	if told := other.waitFor(protocol.EventSystem, 1)[0].payload["message"]; told != protocol.MessageSubscribed {
		t.Errorf("the other is told %v; want %s", told, protocol.MessageSubscribed)
	}
	for i, c := range slow {
		if c.count(protocol.EventSystem) > 0 {
			t.Errorf("%d was checked over a connection that its subject does not have", i)
		}
	}
	for _, done := range taken {
		done()
	}
	for _, c := range slow {
		c.waitFor(protocol.EventSystem, 1)
	}
	for done, ok := f.policy.TryJoin(subject); ok; done, ok = f.policy.TryJoin(subject) {
		taken = taken[1:]
		defer done()
	}
	if len(taken) > 0 {
		t.Errorf("%d connections were not given back", len(taken))
	}
}

// widen has the hub of an idle fixture use as many connections.
func (f *fixture) widen(connections int32) {
	config := f.db.Pool.Config()
	config.MaxConns = connections
	pool, err := pgxpool.NewWithConfig(f.Context(), config)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(pool.Close)
	logger := slog.New(slog.DiscardHandler)
	f.policy = policy.New(policy.DefaultConfig(), pool, logger, nil)
	c := f.hub.config
	f.reg = prometheus.NewRegistry()
	f.hub = NewHub(c, f.Changes, logtest.Catalog(f.db), f.policy, f.hub.expiry.verifier, logger, f.reg)
}
