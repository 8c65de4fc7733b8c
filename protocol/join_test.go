package protocol

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestParseJoin(t *testing.T) {
	token := "a.b.c"
	for _, c := range []struct {
		name, payload string
		want          Join
	}{
		{
			name: "everything",
			payload: `{"config":{"private":"TRUE","broadcast":{"ack":true,"self":"true","replication_ready":true,"replay":{"since":5,"limit":7}},
				"presence":{"enabled":false,"key":"me"},"postgres_changes":[]},"access_token":"a.b.c","version":"realtime-js/2"}`,
			want: Join{
				Private: true, BroadcastAck: true, BroadcastSelf: true, ReplicationReady: true, Replay: &Replay{Since: 5, Limit: 7},
				PresenceKey: "me", AccessToken: &token,
			},
		},
		{name: "nothing", payload: `{"config":{}}`, want: Join{PresenceEnabled: true}},
		{name: "a config that is null", payload: `{"config":null}`, want: Join{PresenceEnabled: true}},
		{
			name:    "null everywhere but in private",
			payload: `{"config":{"broadcast":{"ack":null,"self":null,"replication_ready":null,"replay":null},"presence":{"enabled":null,"key":null},"postgres_changes":null}}`,
			want:    Join{PresenceEnabled: true},
		},
		{name: "null instead of maps", payload: `{"config":{"broadcast":null,"presence":null}}`, want: Join{PresenceEnabled: true}},
		{
			name: "invalid fields take their defaults and say so",
			payload: `{"config":{"broadcast":{"ack":"yes","self":1,"replication_ready":[]},
				"presence":{"enabled":"no","key":{}},"postgres_changes":{"event":"*"}}}`,
			want: Join{PresenceEnabled: true, Warnings: []string{
				"warning: config.broadcast.ack: unable to parse, expected boolean; false is used",
				"warning: config.broadcast.self: unable to parse, expected boolean; false is used",
				"warning: config.broadcast.replication_ready: unable to parse, expected boolean; false is used",
				"warning: config.presence.enabled: unable to parse, expected boolean; true is used",
				"warning: config.presence.key: unable to parse, expected string; a generated key is used",
				"warning: config.postgres_changes: unable to parse, expected an array of maps; there are no bindings",
			}},
		},
		{name: "a presence key that is none", payload: `{"config":{"presence":{"key":"a\u0000"}}}`, want: Join{
			PresenceEnabled: true,
			Warnings:        []string{"warning: config.presence.key: unable to parse, expected at most 1024 bytes without control characters; a generated key is used"},
		}},
		{name: "presence that is no map", payload: `{"config":{"presence":true}}`, want: Join{
			PresenceEnabled: true, Warnings: []string{"warning: config.presence: unable to parse, expected a map; defaults are used"},
		}},
		{name: "replay that is no map", payload: `{"config":{"private":true,"broadcast":{"replay":true}}}`, want: Join{
			Private: true, PresenceEnabled: true,
			Warnings: []string{"warning: config.broadcast.replay: unable to parse, expected a map; nothing is replayed"},
		}},
		{name: "replay before private", payload: `{"config":{"broadcast":{"replay":{"since":-1}},"private":true}}`, want: Join{
			Private: true, PresenceEnabled: true, Replay: &Replay{Since: -1, Limit: 25},
		}},
		{name: "the last of repeated keys counts", payload: `{"config":{"private":true},"config":{"private":false,"private":true}}`, want: Join{
			Private: true, PresenceEnabled: true,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseJoin("room", []byte(c.payload))
			if err != nil {
				t.Fatalf("ParseJoin(%s): %v", c.payload, err)
			}
			if diff := cmp.Diff(c.want, *got); diff != "" {
				t.Errorf("ParseJoin(%s) differs (-want +got):\n%s", c.payload, diff)
			}
		})
	}
}

func TestParseJoinRefuses(t *testing.T) {
	for payload, want := range map[string]string{
		`{`:                                      "UnknownErrorOnChannel: the payload is not JSON",
		`"x"`:                                    "UnknownErrorOnChannel: expected params to be a :map, got: `\"x\"`",
		`{"config":"x"}`:                         `UnknownErrorOnChannel: expected config to be a map, got: "x"`,
		`{"config":{"broadcast":[]}}`:            "UnknownErrorOnChannel: expected config.broadcast to be a map, got: []",
		`{"config":{"private":"tru"}}`:           `InvalidJoinPayload: config.private must be true or false, got: "tru"`,
		`{"config":{"postgres_changes":[{},7]}}`: "UnknownErrorOnChannel: expected a map, got:\n\n    7\n",
		`{"config":{"broadcast":{"replay":{"since":0}}}}`:                                   RefuseReplayPublic.Error(),
		`{"config":{"broadcast":{"replay":7}}}`:                                             RefuseReplayPublic.Error(),
		`{"config":{"private":true,"broadcast":{"replay":{}}}}`:                             RefuseReplayParams.Error(),
		`{"config":{"private":true,"broadcast":{"replay":{"since":null}}}}`:                 RefuseReplayParams.Error(),
		`{"config":{"private":true,"broadcast":{"replay":{"since":"1"}}}}`:                  RefuseReplayParams.Error(),
		`{"config":{"private":true,"broadcast":{"replay":{"since":1.0}}}}`:                  RefuseReplayParams.Error(),
		`{"config":{"private":true,"broadcast":{"replay":{"since":1e3}}}}`:                  RefuseReplayParams.Error(),
		`{"config":{"private":true,"broadcast":{"replay":{"since":253402300800000}}}}`:      RefuseReplayParams.Error(),
		`{"config":{"private":true,"broadcast":{"replay":{"since":99999999999999999999}}}}`: RefuseReplayParams.Error(),
		`{"config":{"private":true,"broadcast":{"replay":{"since":1,"limit":"2"}}}}`:        RefuseReplayParams.Error(),
		`{"config":{"private":true,"broadcast":{"replay":{"since":1,"limit":2.5}}}}`:        RefuseReplayParams.Error(),
		`{"config":{"postgres_changes":[` + strings.Repeat(`{},`, maxBindings) + `{}]}}`:    RefuseTooManyBindings.Error(),
	} {
		j, err := ParseJoin("room", []byte(payload))
		if err == nil || err.Error() != want {
			t.Errorf("ParseJoin(%.100s) = %v, %v; want %q", payload, j, err, want)
		}
	}
}

func TestReplayLimitIsClamped(t *testing.T) {
	for limit, want := range map[string]int{
		"1": 1, "25": 25, "26": 25, "0": 1, "-3": 1, "null": 25, "99999999999999999999": 25, "-99999999999999999999": 1,
	} {
		j, err := ParseJoin("room", []byte(`{"config":{"private":true,"broadcast":{"replay":{"since":1,"limit":`+limit+`}}}}`))
		if err != nil || j.Replay == nil || j.Replay.Limit != want {
			t.Errorf("limit %s gives %+v, %v; want %d", limit, j, err, want)
		}
	}
}

// What the keys of a presence diff show, in 02 of the transcripts.
func TestPresenceKeyOfEveryType(t *testing.T) {
	long := strings.Repeat("k", 300)
	for key, want := range map[string]string{
		`"k"`: "k", `""`: "", "null": "", "1": "1", "1.50": "1.50", "true": "true", "false": "false", `" "`: "", `["a"]`: "a", `["a","b"]`: "ab",
		"[]": "", "[1]": "", "{}": "", `"` + long + `"`: long, `" k "`: " k ",
	} {
		j, err := ParseJoin("room", []byte(`{"config":{"presence":{"key":`+key+`}}}`))
		if err != nil || j.PresenceKey != want {
			t.Errorf("presence key %s is %q, %v; want %q", key, j.PresenceKey, err, want)
		}
	}
}

func TestLegacyJoin(t *testing.T) {
	for subTopic, want := range map[string]Binding{
		"room":               {Raw: []byte(`{"schema":"room"}`), Schema: "room", Table: "*"},
		"*":                  {Raw: []byte(`{"schema":"*"}`), Schema: "*", Table: "*"},
		"public:*":           {Raw: []byte(`{"schema":"public","table":"*"}`), Schema: "public", Table: "*"},
		"public:a:id=eq.1:2": {Raw: []byte(`{"schema":"public","table":"a","filter":"id=eq.1:2"}`), Schema: "public", Table: "a", Filter: "id=eq.1:2"},
		`p"`:                 {Raw: []byte(`{"schema":"p\""}`), Schema: `p"`, Table: "*"},
	} {
		want.Event = changeAny
		j, err := ParseJoin(subTopic, []byte(`{"access_token":null}`))
		if err != nil || !j.Legacy || !j.PresenceEnabled || len(j.Bindings) != 1 {
			t.Fatalf("ParseJoin(%q, no config) = %+v, %v; want a legacy join with one binding", subTopic, j, err)
		}
		if diff := cmp.Diff(want, j.Bindings[0], cmpopts.IgnoreFields(Binding{}, "ID")); diff != "" {
			t.Errorf("legacy binding of %q differs (-want +got):\n%s", subTopic, diff)
		}
	}
}

func TestResponse(t *testing.T) {
	j, err := ParseJoin("room", []byte(`{"config":{"postgres_changes":[null, { "x": 1.50, "event":"*" } ,null,{ },{"id":42}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range []int64{1, 2, 1<<31 - 1} {
		j.Bindings[i].ID = id
	}
	for position, want := range map[string]string{
		"":              `{"postgres_changes":[{ "x": 1.50, "event":"*" ,"id":1},{ "id":2},{"id":42,"id":2147483647}]}`,
		"16/B374D848:3": `{"postgres_changes":[{ "x": 1.50, "event":"*" ,"id":1},{ "id":2},{"id":42,"id":2147483647}],"position":"16/B374D848:3"}`,
	} {
		if got := string(j.Response(position, "")); got != want {
			t.Errorf("Response(%q):\ngot  %s\nwant %s", position, got, want)
		}
	}
	const want = `{"postgres_changes":[],"position":"0/3:0","history":"7001.a.1.b"}`
	if got := string((&Join{}).Response("0/3:0", "7001.a.1.b")); got != want {
		t.Errorf("Response with a history = %s; want %s", got, want)
	}
	if got := string((&Join{}).Response("", "")); got != `{"postgres_changes":[]}` {
		t.Errorf("Response of a join without bindings = %s", got)
	}
}

func TestWarningsAreBounded(t *testing.T) {
	j, err := ParseJoin("room", []byte(`{"config":{"postgres_changes":[`+strings.Repeat(`{"int8":1},`, 100)+`null]}}`))
	if err != nil || len(j.Warnings) != maxWarnings {
		t.Errorf("100 invalid options give %d warnings, %v; want %d", len(j.Warnings), err, maxWarnings)
	}
}

func TestJoinsOfWhatIsNoTopicAreRefused(t *testing.T) {
	for topic, want := range map[string]error{
		"a\x00":                   RefuseTopicControl,
		"a\nb":                    RefuseTopicControl,
		"a\u0085":                 RefuseTopicControl,
		"\xff":                    RefuseTopicControl,
		strings.Repeat("x", 1025): RefuseTopicTooLong,
		strings.Repeat("x", 1024): nil,
		"public:to dos:title=eq.\u00fc \U0001f600": nil,
	} {
		if _, err := ParseJoin(topic, []byte(`{}`)); !errors.Is(err, want) {
			t.Errorf("ParseJoin(%.20q) = %v; want %v", topic, err, want)
		}
	}
}

func TestNamesWithControlCharactersAreRefused(t *testing.T) {
	for binding, want := range map[string]string{
		`{"schema":"pub\u0000lic","table":"t"}`:                    "Error parsing `schema` params: a name has no control characters",
		`{"table":"t\n"}`:                                          "Error parsing `table` params: a name has no control characters",
		`{"schema":"public","table":"t","select":["a","b\u001b"]}`: "Error parsing `select` params: a name has no control characters",
		`{"schema":"public","table":"t","filter":"a=eq.\n"}`:       "",
	} {
		j, err := ParseJoin("room", []byte(`{"config":{"postgres_changes":[`+binding+`]}}`))
		if err != nil || j.Bindings[0].Err != want {
			t.Errorf("binding %s: %v, %+v; want %q", binding, err, j, want)
		}
	}
}
