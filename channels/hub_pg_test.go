package channels

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"walcast/internal/logtest"
	"walcast/protocol"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

const messagesTable = `create table messages (id int primary key, channel_id int, body text);
	grant all on messages to anon, authenticated, service_role`

func bindings(list string) string {
	return `{"postgres_changes":[` + list + `],"presence":{"enabled":false}}`
}

func TestAMatchingChangeIsDeliveredOnceToEachChannel(t *testing.T) {
	f := newFixture(t, DefaultConfig(), messagesTable)
	rel := f.Relation("messages")
	c := f.connect("anon", "")
	reply := c.join("realtime:room", bindings(`{"event":"INSERT","schema":"public","table":"messages","filter":"channel_id=eq.42"}`))
	response := reply.payload["response"].(map[string]any)
	if got, want := response["position"], f.Changes.Live().String(); got != want {
		t.Errorf("position of the join reply = %v; want %v", got, want)
	}
	f.Commit(logtest.Insert(rel, "1", "42", "here"), logtest.Insert(rel, "2", "7", "elsewhere"), logtest.Insert(rel, "3", "42", "NULL"))
	got := c.waitFor(protocol.EventPostgresChanges, 2)
	want := []any{
		map[string]any{"id": 1.0, "channel_id": 42.0, "body": "here"},
		map[string]any{"id": 3.0, "channel_id": 42.0, "body": nil},
	}
	for i, m := range got {
		data := m.payload["data"].(map[string]any)
		if diff := cmp.Diff(want[i], data["record"]); diff != "" {
			t.Errorf("record %d (-want +got):\n%s", i, diff)
		}
		if m.joinRef != "null" || m.ref != "null" {
			t.Errorf("refs of a change = %s, %s; want null, null", m.joinRef, m.ref)
		}
		if got, want := data["commit_timestamp"], "2026-01-02T03:04:05.678Z"; got != want {
			t.Errorf("commit_timestamp = %v; want %v", got, want)
		}
	}
	if got := got[1].payload["data"].(map[string]any)["seq"]; got != 2.0 {
		t.Errorf("seq = %v; want 2", got)
	}
}

func TestNothingIsLostBetweenAJoinAndTheStartOfTheHub(t *testing.T) {
	f := newIdleFixture(t, DefaultConfig(), messagesTable)
	rel := f.Relation("messages")
	first := logtest.Insert(rel, "1", "2", "x")
	f.Commit(first)
	live, resumed := f.connect("anon", ""), f.connect("anon", "")
	live.join("realtime:live", bindings(`{"event":"*","schema":"public","table":"messages"}`))
	f.Commit(logtest.Insert(rel, "2", "2", "x"))
	resumed.join("realtime:resumed", bindings(`{"event":"*","schema":"public","table":"messages","resume":{"from":"`+first.Position.String()+`"}}`))
	f.run()
	for name, c := range map[string]*client{"live": live, "resumed": resumed} {
		if got := records(c.waitFor(protocol.EventPostgresChanges, 1), "id"); got[0] != 2.0 {
			t.Errorf("rows of the %s channel = %v; want 2", name, got)
		}
	}
}

func TestAFilterThatOnlyPostgresCanDecide(t *testing.T) {
	f := newFixture(t, DefaultConfig(), messagesTable)
	rel := f.Relation("messages")
	c := f.connect("anon", "")
	c.join("realtime:room", bindings(`{"event":"*","schema":"public","table":"messages","filter":"body=match.^(a+)b\\1$"}`))
	f.Commit(logtest.Insert(rel, "1", "2", "aba"), logtest.Insert(rel, "2", "2", "aab"), logtest.Insert(rel, "3", "2", "aabaa"))
	if diff := cmp.Diff([]any{1.0, 3.0}, records(c.waitFor(protocol.EventPostgresChanges, 2), "id")); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestEqualSubscriptionsShareOneFrame(t *testing.T) {
	f := newFixture(t, DefaultConfig(), messagesTable)
	rel := f.Relation("messages")
	config := bindings(`{"event":"*","schema":"public","table":"messages"}`)
	a, b, other := f.connect("anon", ""), f.connect("anon", "x"), f.connect("anon", "")
	a.join("realtime:room", config)
	b.join("realtime:room", config)
	other.join("realtime:elsewhere", config)
	f.Commit(logtest.Insert(rel, "1", "2", "x"))
	first := a.waitFor(protocol.EventPostgresChanges, 1)[0].frame
	if got := b.waitFor(protocol.EventPostgresChanges, 1)[0].frame; got != first {
		t.Error("equal subscriptions to one topic got two frames; want one shared")
	}
	if got := other.waitFor(protocol.EventPostgresChanges, 1)[0].frame; got == first {
		t.Error("two topics got one frame")
	}
}

func TestBindingsOfAChannelShareAFrameUnlessTheirColumnsDiffer(t *testing.T) {
	f := newFixture(t, DefaultConfig(), messagesTable)
	rel := f.Relation("messages")
	c := f.connect("anon", "")
	c.join("realtime:room", bindings(`{"event":"*","schema":"public","table":"messages"},
		{"event":"INSERT","schema":"public","table":"messages","filter":"channel_id=eq.42"},
		{"event":"INSERT","schema":"public","table":"messages","select":["body"]}`))
	f.Commit(logtest.Insert(rel, "1", "42", "x"))
	got := c.waitFor(protocol.EventPostgresChanges, 2)
	if n := len(got[0].payload["ids"].([]any)); n != 2 {
		t.Errorf("ids of the first frame = %v; want two", got[0].payload["ids"])
	}
	want := map[string]any{"id": 1.0, "body": "x"}
	if diff := cmp.Diff(want, got[1].payload["data"].(map[string]any)["record"]); diff != "" {
		t.Errorf("record of the selecting binding (-want +got):\n%s", diff)
	}
}

func TestARejoinRepliesFirstThenClosesTheOldChannel(t *testing.T) {
	f := newFixture(t, DefaultConfig(), messagesTable)
	c := f.connect("anon", "")
	config := `{"presence":{"enabled":false}}`
	first := c.send("realtime:room", protocol.EventJoin, `{"config":`+config+`}`)
	second := c.send("realtime:room", protocol.EventJoin, `{"config":`+config+`}`)
	got := c.wait(3)
	want := []string{"phx_reply " + first, "phx_reply " + second, "phx_close " + first}
	for i, m := range got {
		if s := m.event + " " + m.ref; s != want[i] {
			t.Errorf("frame %d = %s; want %s", i, s, want[i])
		}
	}
}

func TestAStaleLeaveIsIgnoredAndALeaveEndsDelivery(t *testing.T) {
	f := newFixture(t, DefaultConfig(), messagesTable)
	rel := f.Relation("messages")
	c := f.connect("anon", "")
	c.join("realtime:room", bindings(`{"event":"*","schema":"public","table":"messages"}`))
	c.waitFor(protocol.EventSystem, 1)
	c.session.Handle(t.Context(), protocol.Message{JoinRef: `"77"`, Ref: `"9"`, Topic: "realtime:room", Event: protocol.EventLeave, Payload: []byte("{}")})
	f.Commit(logtest.Insert(rel, "1", "2", "x"))
	c.waitFor(protocol.EventPostgresChanges, 1)
	c.session.Handle(t.Context(), protocol.Message{JoinRef: `"1"`, Ref: `"10"`, Topic: "realtime:room", Event: protocol.EventLeave, Payload: []byte("{}")})
	n := len(c.waitFor(protocol.EventClose, 1))
	witness := f.connect("anon", "")
	witness.join("realtime:room", bindings(`{"event":"*","schema":"public","table":"messages"}`))
	f.Commit(logtest.Insert(rel, "2", "2", "x"))
	witness.waitFor(protocol.EventPostgresChanges, 1)
	if got := c.waitFor(protocol.EventPostgresChanges, 1); len(got) != 1 || n != 1 {
		t.Errorf("got %d changes and %d closes; want the one before the leave, and one close", len(got), n)
	}
}

// Clients for Kotlin and C# name no join in what they send after it, and wait for
// the answer to their leave.
func TestAMessageWithoutJoinRefMeansThePresentJoin(t *testing.T) {
	f := newFixture(t, DefaultConfig())
	c, witness := f.connect("anon", ""), f.connect("anon", "")
	first := c.send("realtime:room", protocol.EventJoin, `{"config":{"presence":{"enabled":false}}}`)
	second := c.send("realtime:room", protocol.EventJoin, `{"config":{"broadcast":{"ack":true},"presence":{"enabled":false}}}`)
	witness.join("realtime:room", `{"presence":{"enabled":false}}`)
	say := func(ref, event, payload string) {
		c.session.Handle(t.Context(), protocol.Message{Ref: protocol.Ref(`"` + ref + `"`), Topic: "realtime:room", Event: event, Payload: []byte(payload)})
	}
	say("7", protocol.EventBroadcast, `{"event":"greeting"}`)
	say("8", protocol.EventPresence, `{"event":"track","payload":{}}`)
	say("9", protocol.EventLeave, `{}`)
	say("10", protocol.EventBroadcast, `{"event":"too late"}`)
	want := []string{
		first + " phx_reply " + first, second + " phx_reply " + second, first + " phx_close " + first, // the joins
		second + " phx_reply 7", second + " phx_reply 8", second + " phx_reply 9", second + " phx_close " + second, "null phx_reply 10",
	}
	c.waitFor(protocol.EventReply, 6)
	var got []string
	for _, m := range c.wait(1) {
		if strings.HasPrefix(m.event, "phx_") {
			got = append(got, m.joinRef+" "+m.event+" "+m.ref)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	if got := witness.waitFor(protocol.EventBroadcast, 1); got[0].payload["event"] != "greeting" {
		t.Errorf("the other channel heard %v; want the greeting", got)
	}
}

func TestAnExpiredTokenEndsTheChannelSoThatClientsRejoin(t *testing.T) {
	f := newFixture(t, DefaultConfig(), messagesTable)
	c := f.connect("anon", "")
	short := token(t, "anon", "", 2*time.Second)
	c.send("realtime:room", protocol.EventJoin, `{"config":{"presence":{"enabled":false}},"access_token":"`+short+`"}`)
	failed := c.waitFor(protocol.EventError, 1)[0]
	if failed.ref != "1" || failed.joinRef != "1" {
		t.Errorf("phx_error refs = %s, %s; want 1, 1", failed.joinRef, failed.ref)
	}
	told := c.waitFor(protocol.EventSystem, 1)[0]
	if got, want := told.payload["message"], "Token has expired 0 seconds ago"; got != want {
		t.Errorf("message = %v; want %v", got, want)
	}
	c.send("realtime:room", protocol.EventBroadcast, `{}`)
	if got := c.waitFor(protocol.EventReply, 2)[1].payload["response"].(map[string]any)["reason"]; got != "unmatched topic" {
		t.Errorf("a push to the ended channel = %v; want unmatched topic", got)
	}
}

func TestANewTokenRearmsWithoutLossOrRepetition(t *testing.T) {
	f := newFixture(t, DefaultConfig(), messagesTable)
	rel := f.Relation("messages")
	c := f.connect("anon", "")
	c.join("realtime:room", bindings(`{"event":"*","schema":"public","table":"messages"}`))
	const n = 400
	for i := range n {
		f.Commit(logtest.Insert(rel, fmt.Sprint(i), "2", "x"))
		if i%20 == 0 {
			c.send("realtime:room", protocol.EventAccessToken, `{"access_token":"`+token(t, "authenticated", fmt.Sprint(i), time.Hour)+`"}`)
		}
	}
	got := records(c.waitFor(protocol.EventPostgresChanges, n), "id")
	for i, id := range got {
		if id != float64(i) {
			t.Fatalf("row %d has id %v; want them in order, each once", i, id)
		}
	}
}

const ownTable = `create table own (id int primary key, owner uuid);
	create table friends (owner uuid, friend uuid);
	grant all on own, friends to anon, authenticated;
	alter table own enable row level security;
	create policy friends on own for select to authenticated using (exists (
		select from friends f where f.owner = own.owner and f.friend = (current_setting('request.jwt.claims', true)::jsonb ->> 'sub')::uuid))`

func TestRowsThatPostgresJudgesComeInOrderWithTheOthers(t *testing.T) {
	f := newFixture(t, DefaultConfig(), messagesTable, ownTable)
	ann, bob := "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"
	f.db.Exec("insert into friends values ('" + ann + "', '" + ann + "')")
	messages, own := f.Relation("messages"), f.Relation("own")
	c := f.connect("authenticated", ann)
	c.join("realtime:room", bindings(`{"event":"*","schema":"public","table":"messages"},{"event":"*","schema":"public","table":"own"}`))
	const n = 300
	for i := range n {
		owner := ann
		if i%3 == 0 {
			owner = bob
		}
		f.Commit(logtest.Insert(messages, fmt.Sprint(3*i), "2", "x"), logtest.Insert(own, fmt.Sprint(3*i+1), owner), logtest.Insert(messages, fmt.Sprint(3*i+2), "2", "x"))
	}
	var want []any
	for i := range n {
		want = append(want, float64(3*i))
		if i%3 != 0 {
			want = append(want, float64(3*i+1))
		}
		want = append(want, float64(3*i+2))
	}
	got := records(c.waitFor(protocol.EventPostgresChanges, len(want)), "id")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestANewHistoryTellsEveryChannelOnce(t *testing.T) {
	f := newFixture(t, DefaultConfig(), messagesTable)
	rel := f.Relation("messages")
	c, plain := f.connect("anon", ""), f.connect("anon", "")
	c.join("realtime:room", bindings(`{"event":"*","schema":"public","table":"messages"}`))
	c.waitFor(protocol.EventSystem, 1)
	plain.join("realtime:room", `{"presence":{"enabled":false}}`)
	f.Commit(logtest.Insert(rel, "1", "2", "x"))
	c.waitFor(protocol.EventPostgresChanges, 1)
	f.LSN = 0x100000
	f.Changes.Begin(changelog.History{System: "2", Timeline: 1, Slot: "walcast"}, f.LSN, changelog.CodeOtherCluster)
	got := c.waitFor(protocol.EventSystem, 2)[1]
	f.Commit(logtest.Insert(rel, "2", "2", "x"))
	if got.payload["status"] != "ok" || got.payload["code"] != changelog.CodeOtherCluster {
		t.Errorf("system event = %v; want status ok and code %s", got.payload, changelog.CodeOtherCluster)
	}
	if rows := records(c.waitFor(protocol.EventPostgresChanges, 2), "id"); rows[1] != 2.0 {
		t.Errorf("rows = %v; want the new history's after the resync", rows)
	}
	if n := len(plain.wait(1)); n != 1 {
		t.Errorf("a channel without bindings got %d frames; want the join reply only", n)
	}
}

func TestAStormOfSessionsLeavesNothing(t *testing.T) {
	f := newFixture(t, DefaultConfig(), messagesTable)
	rel := f.Relation("messages")
	for round := range 200 {
		c := f.connect("anon", "")
		for i := range 3 {
			c.send(fmt.Sprintf("realtime:room-%d", i), protocol.EventJoin, `{"config":`+bindings(`{"event":"*","schema":"public","table":"messages"}`)+`}`)
			f.Commit(logtest.Insert(rel, fmt.Sprint(round), "2", "x"))
		}
		c.session.Close()
	}
	for _, name := range []string{"walcast_channels_joined", "walcast_channels_bindings", "walcast_channels_topics"} {
		if n := f.gauge(name); n != 0 {
			t.Errorf("%s = %v after all sessions have closed; want 0", name, n)
		}
	}
}

func TestAClientResumesFromAPosition(t *testing.T) {
	f := newFixture(t, DefaultConfig(), messagesTable)
	rel := f.Relation("messages")
	var changes []*wal.Change
	for i := range 500 {
		changes = append(changes, logtest.Insert(rel, fmt.Sprint(i), "2", "x"))
	}
	f.Commit(changes[:200]...)
	from := changes[99].Position
	f.Commit(changes[200:400]...)
	c := f.connect("anon", "")
	reply := c.join("realtime:room", bindings(`{"event":"*","schema":"public","table":"messages","resume":{"from":"`+from.String()+`"}}`))
	if got := reply.payload["response"].(map[string]any)["position"]; got != from.String() {
		t.Errorf("position of the join reply = %v; want %s", got, from)
	}
	f.Commit(changes[400:]...)
	for i, id := range records(c.waitFor(protocol.EventPostgresChanges, 400), "id") {
		if id != float64(100+i) {
			t.Fatalf("row %d has id %v; want %d", i, id, 100+i)
		}
	}
}

func TestAPositionThatIsNoneIsToldToResync(t *testing.T) {
	for _, from := range []string{"nonsense", "0/10:0"} {
		t.Run(from, func(t *testing.T) {
			f := newFixture(t, DefaultConfig(), messagesTable)
			rel := f.Relation("messages")
			f.Commit(logtest.Insert(rel, "1", "2", "x"))
			c := f.connect("anon", "")
			c.join("realtime:room", bindings(`{"event":"*","schema":"public","table":"messages","resume":{"from":"`+from+`"}}`))
			for {
				told := c.waitFor(protocol.EventSystem, 2)
				if i := slices.IndexFunc(told, func(m message) bool { return m.payload["code"] != nil }); i >= 0 {
					if message := told[i].payload["message"].(string); !strings.HasPrefix(message, "resync_required: ") {
						t.Errorf("message = %q; want resync_required", message)
					}
					break
				}
			}
			f.Commit(logtest.Insert(rel, "2", "2", "x"))
			if got := records(c.waitFor(protocol.EventPostgresChanges, 1), "id"); got[0] != 2.0 {
				t.Errorf("rows after the resync = %v; want what came after it", got)
			}
		})
	}
}
