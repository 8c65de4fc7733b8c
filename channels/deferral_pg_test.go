package channels

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"walcast/internal/logtest"
	"walcast/protocol"
)

const everyMessage = `{"event":"*","schema":"public","table":"messages"}`

// waitingFor is the config of a join whose reply waits for its bindings.
func waitingFor(list, options string) string {
	return `{"postgres_changes":[` + list + `],"postgres_changes_options":` + options + `,"presence":{"enabled":false}}`
}

// line is what a message is about.
func (m message) line() string {
	line := m.event + " " + m.ref
	switch response, _ := m.payload["response"].(map[string]any); {
	case m.event == protocol.EventReply && response["reason"] != nil:
		line += " " + response["reason"].(string)
	case m.event == protocol.EventReply:
		line += " " + m.payload["status"].(string)
	case m.event == protocol.EventSystem:
		line = m.event + " " + m.payload["message"].(string)
	case m.event == protocol.EventPostgresChanges:
		line = m.event
	}
	return line
}

// wantLines waits for as many frames and compares them.
func (c *client) wantLines(want ...string) {
	c.f.Helper()
	var got []string
	for _, m := range c.wait(len(want)) {
		got = append(got, m.line())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		c.f.Errorf("frames (-want +got):\n%s", diff)
	}
}

func TestAReplyThatWaitsForTheBindingsComesBeforeWhatTheyDeliver(t *testing.T) {
	f := newIdleFixture(t, DefaultConfig(), messagesTable)
	rel := f.Relation("messages")
	c := f.connect("anon", "")
	c.send("realtime:room", protocol.EventJoin, `{"config":{"presence":{"enabled":false}}}`)
	c.send("realtime:room", protocol.EventJoin, `{"config":`+waitingFor(everyMessage, `{"wait":true}`)+`}`)
	c.send(protocol.TopicPhoenix, protocol.EventHeartbeat, `{}`)
	c.send("realtime:other", protocol.EventJoin, `{"config":{"presence":{"enabled":false}}}`)
	c.wantLines("phx_reply 1 ok", "phx_reply 3 ok", "phx_reply 4 ok") // other joins do not wait
	f.Commit(logtest.Insert(rel, "1", "2", "x"))
	f.run()
	c.waitFor(protocol.EventPostgresChanges, 1)
	closed := c.waitFor(protocol.EventClose, 1)[0]
	if got := c.wait(4)[3].line() + ", " + closed.line(); got != "phx_reply 2 ok, phx_close 1" {
		t.Errorf("frames %s; want the reply, then the close of the former channel", got)
	}
	if told := c.waitFor(protocol.EventSystem, 1)[0]; told.line() != "system Subscribed to PostgreSQL" {
		t.Errorf("told %s; want that the bindings work", told.line())
	}
}

func TestAJoinWhoseBindingsDoNotWorkIsRefused(t *testing.T) {
	f := newFixture(t, DefaultConfig(), messagesTable, `create table hidden (id int primary key); grant select on hidden to anon`)
	f.db.Exec("drop publication rows; create publication rows for table messages")
	const hidden = `{"event":"*","schema":"public","table":"hidden"}`
	for _, test := range []struct{ name, bindings, reason, code, fix string }{
		{"not published", everyMessage + "," + hidden, "Unable to subscribe to changes with given parameters. Please check", "not_published", `ALTER PUBLICATION "rows" ADD TABLE "public"."hidden";`},
		{"bad filter", `{"event":"*","schema":"public","table":"messages","filter":"id=foo.1"}`, "Error parsing `filter` params", "unknown_operator", ""},
		{"bad value", `{"event":"*","schema":"public","table":"messages","filter":"id=eq.x"}`, "Unable to subscribe to changes with given parameters. An exception", "invalid_value", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := f.connect("anon", "")
			c.send("realtime:room", protocol.EventJoin, `{"config":`+waitingFor(test.bindings, `{"wait":"true"}`)+`}`)
			response := c.wait(1)[0].payload["response"].(map[string]any)
			reason, _ := response["reason"].(string)
			if !strings.HasPrefix(reason, "RealtimeDisabledForConfiguration: "+test.reason) || response["code"] != test.code {
				t.Errorf("response = %v; want why, and %s", response, test.code)
			}
			if fix, _ := response["fix"].(string); fix != test.fix {
				t.Errorf("fix = %q; want %q", fix, test.fix)
			}
			c.send("realtime:room", protocol.EventBroadcast, `{}`)
			if got := c.wait(2)[1].line(); got != "phx_reply 2 unmatched topic" {
				t.Errorf("the topic after the refusal: %s; want it unjoined", got)
			}
		})
	}
	if got := f.sample("walcast_channels_joins_total", "refused"); got != 3 {
		t.Errorf("counted %v refused joins; want 3", got)
	}
	if got := f.gauge("walcast_channels_joined"); got != 0 {
		t.Errorf("%v channels are there; want none", got)
	}
}

func TestAJoinThatHasWaitedTooLongIsRefused(t *testing.T) {
	f := newIdleFixture(t, DefaultConfig(), messagesTable) // which does not run, so that no binding is checked
	c := f.connect("anon", "")
	c.send("realtime:room", protocol.EventJoin, `{"config":`+waitingFor(everyMessage, `{"wait":true,"timeout":30}`)+`}`)
	c.wantLines("phx_reply 1 PostgresChangesSubscribeTimeout: Timed out after 30ms waiting for the postgres_changes subscription")
	c.send("realtime:room", protocol.EventLeave, `{}`)
	c.wantLines("phx_reply 1 PostgresChangesSubscribeTimeout: Timed out after 30ms waiting for the postgres_changes subscription", "phx_reply 2 ok")
}

func TestALeaveEndsAWaitingJoin(t *testing.T) {
	f := newIdleFixture(t, DefaultConfig(), messagesTable)
	c := f.connect("anon", "")
	c.send("realtime:room", protocol.EventJoin, `{"config":`+waitingFor(everyMessage, `{"wait":true}`)+`}`)
	c.session.Handle(t.Context(), protocol.Message{JoinRef: `"1"`, Ref: `"2"`, Topic: "realtime:room", Event: protocol.EventLeave, Payload: []byte("{}")})
	f.run()
	witness := f.connect("anon", "")
	witness.join("realtime:room", bindings(everyMessage))
	witness.waitFor(protocol.EventSystem, 1)
	c.wantLines("phx_reply 2 ok", "phx_close 1")
	if n := len(c.wait(2)); n != 2 {
		t.Errorf("%d frames; want no reply to the join that was left", n)
	}
}

func TestStrictBindingsAreForEveryJoin(t *testing.T) {
	config := DefaultConfig()
	config.StrictBindings = true
	f := newFixture(t, config, messagesTable)
	c := f.connect("anon", "")
	c.send("realtime:none", protocol.EventJoin, `{"config":{"presence":{"enabled":false}}}`)
	c.send("realtime:fine", protocol.EventJoin, `{"config":`+bindings(everyMessage)+`}`)
	c.wantLines("phx_reply 1 ok", "phx_reply 2 ok", "system Subscribed to PostgreSQL")
	c.send("realtime:public:nowhere", protocol.EventJoin, `{}`)
	response := c.waitFor(protocol.EventReply, 3)[2].payload["response"].(map[string]any)
	if response["code"] != protocol.CodeUnknownTable {
		t.Errorf("a join without config = %v; want %s", response, protocol.CodeUnknownTable)
	}
}

func TestStrictBindingsRefuseStreamsBeforeTheyBegin(t *testing.T) {
	config := DefaultConfig()
	config.StrictBindings = true
	f := newFixture(t, config, messagesTable)
	r := f.stream(token(t, "anon", "", time.Hour))
	var unserved protocol.Unserved
	if _, err := r.admit(t.Context(), bindings(`{"event":"*","schema":"public","table":"nowhere"}`), ""); !errors.As(err, &unserved) || unserved.Problem.Code != protocol.CodeUnknownTable {
		t.Errorf("Admit = %v; want %s", err, protocol.CodeUnknownTable)
	}
	if _, err := r.admit(t.Context(), bindings(`{"event":"*","schema":"public","table":"messages","filter":"id"}`), ""); !errors.As(err, &unserved) || unserved.Problem.Code != protocol.CodeInvalidFilter {
		t.Errorf("Admit of a filter that cannot be read = %v, code %q; want %s", err, unserved.Problem.Code, protocol.CodeInvalidFilter)
	}
	begin, err := f.stream(token(t, "anon", "", time.Hour)).admit(t.Context(), bindings(everyMessage), "")
	if err != nil {
		t.Fatal(err)
	}
	begin()
}

// A channel that ends while its join is answered gets nothing after its last
// frame, and its reply before that or never.
func TestNothingComesAfterTheEndOfAChannelThatIsAnswered(t *testing.T) {
	f := newIdleFixture(t, DefaultConfig(), messagesTable)
	for range 200 {
		c := f.connect("anon", "")
		c.send("realtime:room", protocol.EventJoin, `{"config":`+waitingFor(everyMessage, `{"wait":true}`)+`}`)
		ch := c.session.joined("realtime:room")
		var both sync.WaitGroup
		both.Go(func() { ch.out.deferral.answer() })
		both.Go(func() { ch.end(false) })
		both.Wait()
		ch.pushClose()
		want := []string{"phx_close 1"}
		if ch.out.isOpen.Load() {
			want = []string{"phx_reply 1 ok", "phx_close 1"}
		}
		c.wantLines(want...)
		if n := len(c.wait(0)); n != len(want) {
			t.Fatalf("%d frames; want %q", n, want)
		}
	}
}
