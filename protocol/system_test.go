package protocol

import "testing"

func TestSystem(t *testing.T) {
	for _, c := range []struct {
		name, got, want string
	}{
		{
			"with a sub-topic", string(systemPayload(ExtensionPostgres, StatusOK, MessageSubscribed, `a"b`)),
			`{"message":"Subscribed to PostgreSQL","status":"ok","extension":"postgres_changes","channel":"a\"b"}`,
		},
		{
			"to every topic", string(systemPayload(ExtensionSystem, StatusOK, "Server requested disconnect", "")),
			`{"message":"Server requested disconnect","status":"ok","extension":"system"}`,
		},
		{
			"resync", string(resyncPayload("room", ResyncDetail{
				Reason: "what was missed has left the log", Code: "position_too_old", From: "0/1:2", Oldest: "0/2:0", Position: "0/3:0",
			})),
			`{"message":"resync_required: what was missed has left the log","status":"ok","extension":"postgres_changes","channel":"room",` +
				`"code":"position_too_old","from":"0/1:2","oldest":"0/2:0","position":"0/3:0"}`,
		},
		{
			"resync of an unknown client", string(resyncPayload("room", ResyncDetail{Reason: "restarted", Code: "unknown_client", Position: "0/3:0"})),
			`{"message":"resync_required: restarted","status":"ok","extension":"postgres_changes","channel":"room",` +
				`"code":"unknown_client","from":null,"oldest":null,"position":"0/3:0"}`,
		},
		{
			"resync with a history", string(resyncPayload("room", ResyncDetail{Reason: "gone", Code: "other_cluster", Position: "0/3:0", History: "7001.a.1.b"})),
			`{"message":"resync_required: gone","status":"ok","extension":"postgres_changes","channel":"room",` +
				`"code":"other_cluster","from":null,"oldest":null,"position":"0/3:0","history":"7001.a.1.b"}`,
		},
		{"position", string(Position("0/3:0", "")), `{"position":"0/3:0"}`},
		{"position with a history", string(Position("0/3:0", "7001.a.1.b")), `{"position":"0/3:0","history":"7001.a.1.b"}`},
		{"no position", string(Position("", "7001.a.1.b")), `{}`},
		{
			"policy that raises", PolicyRaised("public.todos", "22P02", `invalid input syntax for type uuid: ""`),
			`Changes of public.todos are not delivered: its row-level security raised ERROR 22P02 invalid input syntax for type uuid: ""`,
		},
		{"warning", Warning("x"), "warning: x"},
		{
			"reason with a cure", string(Reason(Unserve(Problem{Message: "no", Code: CodeNotPublished, Fix: `ALTER "x";`}))),
			`{"reason":"RealtimeDisabledForConfiguration: no","code":"not_published","fix":"ALTER \"x\";"}`,
		},
		{"reason", string(Reason(Refusal{Text: "say \"why\"\n"})), `{"reason":"say \"why\"\n"}`},
	} {
		if c.got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, c.got, c.want)
		}
	}
}

func TestRefusalSaysCodeAndText(t *testing.T) {
	for refusal, want := range map[Refusal]string{
		RefuseRead("a: b"):     "Unauthorized: " + messageNotReadable("a: b"),
		RefuseMissingPartition: "MissingPartition: Realtime was unable to find the expected messages partition",
		RefuseUnmatchedTopic:   "unmatched topic",
		{Text: "two: words"}:   "two: words",
	} {
		if got := refusal.Error(); got != want {
			t.Errorf("%#v says %q; want %q", refusal, got, want)
		}
	}
}
