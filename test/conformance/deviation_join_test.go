package conformance

import "fmt"

// systemMessage is a system event of 2.0.0 on a channel joined with ref 1.
func systemMessage(topic, extension, status, message string) string {
	return fmt.Sprintf(`["1",null,"realtime:%s","system",{"channel":%q,"extension":%q,"message":%q,"status":%q}]`, topic, topic, extension, message, status)
}

func warning(topic, about string) []string {
	return []string{systemMessage(topic, "system", "ok", "warning: "+about)}
}

func refusedJoin(topic, reason string) []string {
	return []string{fmt.Sprintf(`["1","1","realtime:%s","phx_reply",{"status":"error","response":{"reason":%q}}]`, topic, reason)}
}

const (
	presenceState = `"presence_state"`
	reply         = `"phx_reply"`
)

var joinOmissions = []omission{
	{"socket that only sends websocket pings", "a socket that pings or answers pings is alive here, and stays"},
}

var joinDeviations = concat(
	privateDeviations(),
	flagDeviations("broadcast.self of every type…", "self", "self", "config.broadcast.self: unable to parse, expected boolean; false is used"),
	flagDeviations("broadcast.ack of every type…", "ack", "ack", "config.broadcast.ack: unable to parse, expected boolean; false is used"),
	presenceFlagDeviations(),
	presenceKeyDeviations(),
	shapeDeviations(),
	[]deviation{
		{section: "broadcast.replay null on a public channel", why: "10", line: reply, instead: []string{
			`["1","1","realtime:room","phx_reply",{"status":"ok","response":{"postgres_changes":[]}}]`,
		}},
		{section: `replication_ready "false" (a string)`, why: "11", line: "Replication connection established", drop: true},
		{section: "topic null, number, object", why: "answered as other odd topics are", line: `["realtime:x"],"phx_reply"`, also: []string{
			`[null,"1",{},"phx_reply",{"status":"error","response":{"reason":"unmatched topic"}}]`,
		}},
		{section: "leave with another join_ref, and with none [vsn 1.0.0]", why: "51", line: `"ref":"3"`, pushed: true, also: []string{
			`{"event":"phx_reply","payload":{"response":{},"status":"ok"},"ref":"3","topic":"realtime:leave-36-1"}`,
			`{"event":"phx_close","payload":{},"ref":"1","topic":"realtime:leave-36-1"}`,
		}},
		{section: "leave with another join_ref, and with none [vsn 2.0.0]", why: "51", line: `null,"3"`, pushed: true, also: []string{
			`["1","3","realtime:leave-36-2","phx_reply",{"response":{},"status":"ok"}]`, `["1","1","realtime:leave-36-2","phx_close",{}]`,
		}},
		{section: "access_token: three words", why: "wording", line: "invalid_byte", instead: refusedJoin("tok", "MalformedJWT: The token provided is not a valid JWT")},
		{section: "malformed text frames…[vsn 2.0.0]", why: "payload numbers are kept as text", line: `"hb29"`, instead: []string{
			`[null,"1","phoenix","phx_reply",{"status":"ok","response":{}}]`, `[null,"hb29","phoenix","phx_reply",{"status":"ok","response":{}}]`,
		}},
		{section: "binary frames that fit nothing…[vsn 2.0.0]", why: "a join is a join", line: "expected params to be a :map", instead: []string{
			`["1","1","realtime:bin","phx_reply",{"status":"ok","response":{"postgres_changes":[]}}]`,
			`["1",null,"realtime:bin","presence_state",{}]`,
		}},
	},
)

func concat(lists ...[]deviation) (all []deviation) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

// privateDeviations refuse what is no flexible boolean.
func privateDeviations() (all []deviation) {
	for conn, shown := range map[string]string{`"yes"`: `"yes"`, `""`: `""`, "1": "1", "0": "0", "null": "nil", "[]": "[]", "{}": "%{}"} {
		all = append(all, deviation{
			section: "private of every type…", conn: "private=" + conn, why: "9", line: reply,
			instead: refusedJoin("closed", "InvalidJoinPayload: config.private must be true or false, got: "+shown),
		})
	}
	return all
}

// flagDeviations say what was made of what is no flexible boolean.
func flagDeviations(section, conn, topic, about string) (all []deviation) {
	for i, value := range []string{3: `"yes"`, 4: `""`, 5: "1", 6: "0", 8: "[]", 9: "{}"} {
		if value == "" {
			continue
		}
		all = append(all, deviation{
			section: section, conn: conn + "=" + value, why: "9",
			line: `"1","1",`, also: warning(fmt.Sprint(topic, i), about),
		})
	}
	return all
}

// presenceFlagDeviations have presence enabled unless it is explicitly not.
func presenceFlagDeviations() (all []deviation) {
	for i, value := range []string{3: `"yes"`, 4: `""`, 5: "1", 6: "0", 7: "null", 8: "[]", 9: "{}"} {
		if value == "" {
			continue
		}
		topic := fmt.Sprint("pe", i)
		also := []string{fmt.Sprintf(`["1",null,"realtime:%s","presence_state",{}]`, topic)}
		if value != "null" {
			also = append(also, warning(topic, "config.presence.enabled: unable to parse, expected boolean; true is used")...)
		}
		all = append(all, deviation{section: "presence.enabled of every type…", conn: "enabled=" + value, why: "9, 25", line: reply, also: also})
	}
	return all
}

// presenceKeyDeviations generate a key in the place of what cannot be read as a
// string.
func presenceKeyDeviations() []deviation {
	const section, about = "presence.key of every type…", "config.presence.key: unable to parse, expected string; a generated key is used"
	return []deviation{
		{section: section, conn: "key=[]", why: "9", line: `"1","1",`, also: warning("pk5", about)},
		{section: section, conn: "key=[]", why: "9", replace: `{"":`, by: `{"<uuid-90>":`},
		{section: section, conn: "key={}", why: "9", line: `"1","1","realtime:pk7","phx_reply"`, also: warning("pk7", about)},
		{section: section, conn: "key={}", why: "9", line: "channel_crash", instead: []string{
			`[null,null,"realtime:pk7","presence_diff",{"joins":{"<uuid-91>":{"metas":[{"phx_ref":"<phx_ref-90>","n":7}]}},"leaves":{}}]`,
		}},
	}
}

// shapeDeviations say where a map or an array was expected.
func shapeDeviations() (all []deviation) {
	for name, shown := range map[string]string{"config is a string": `"x"`, "config is a number": "1", "config is an array": "[]", "config is a non-empty array": "[1]", "config true": "true"} {
		all = append(all, deviation{section: name, why: "wording", line: reply, instead: refusedJoin("room", "UnknownErrorOnChannel: expected config to be a map, got: "+shown)})
	}
	for name, shown := range map[string]string{"a string": `"x"`, "a number": "1", "[]": "[]", "[1]": "[1]", "true": "true"} {
		all = append(all,
			deviation{section: "config.broadcast is " + name, why: "wording", line: reply, instead: refusedJoin("room", "UnknownErrorOnChannel: expected config.broadcast to be a map, got: "+shown)},
			deviation{section: "config.presence is " + name, why: "9", line: reply, also: warning("room", "config.presence: unable to parse, expected a map; defaults are used")},
		)
	}
	for _, name := range []string{"a string", "a number", "true", "{}"} {
		all = append(all, deviation{
			section: "config.postgres_changes is " + name, why: "9", line: reply,
			also: warning("room", "config.postgres_changes: unable to parse, expected an array of maps; there are no bindings"),
		})
	}
	return all
}
