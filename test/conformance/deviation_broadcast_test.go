package conformance

import "fmt"

// fails is what comes in the place of a statement that fails here.
const fails = "fails"

var broadcastDeviations = concat(crashes(), []deviation{
	{section: "numbers, escapes and key order…", why: "relayed byte for byte", replace: `"dup":1`, by: `"dup":2`},
	{section: "kind 3: odd encodings…", conn: "v1", why: "what is not JSON cannot be text", line: "text_raw", drop: true},
	{section: "kind 0 with event broadcast and others", conn: "v1", why: "what is not JSON cannot be text", line: "text_raw", drop: true},
	{section: "over the size limit…", why: "24", replace: `"response":"payload_size_exceeded"`, by: `"response":{"reason":"payload_size_exceeded","error":"payload_size_exceeded"}`},
	{section: "HTTP batch: auth variants", why: "401, not 500", line: `"payload":{"i":13}}]}},"status":500`, instead: []string{`{"status":401,"body":{"message":"Unauthorized"}}`}},
	{section: "HTTP batch: auth variants", why: "one project answers on any host", line: "nosuchtenant", drop: true},
	{section: "HTTP batch: bodies", why: "40", line: `"ct":"text/plain"`, instead: []string{`{"status":415,"body":{"error":"Unsupported Media Type. Use application/json"}}`}},
	{section: "HTTP batch: bodies", why: "40", line: `x-www-form-urlencoded`, instead: []string{`{"status":415,"body":{"error":"Unsupported Media Type. Use application/json"}}`}},
	{section: "HTTP batch: bodies", why: "40", line: `"payload":{"a":"1"}`, drop: true},
	{section: "HTTP single: JSON, binary…", why: "40", line: "events/none", instead: []string{`{"status":415,"body":{"error":"Unsupported Media Type. Use application/json or application/octet-stream"}}`}},
	{section: "HTTP single: JSON, binary…", why: "40", line: `event":"none"`, drop: true},
	{section: "HTTP single: JSON, binary…", why: "39", line: "private=bogus", instead: []string{`{"status":422,"body":{"errors":{"private":["is invalid"]}}}`}},
	{section: "HTTP single: JSON, binary…", why: "39", line: `event":"private-bogus"`, drop: true},
	{section: "HTTP single: JSON, binary…", why: "a reason instead of 500", line: "events/eeeeeeee", instead: []string{`{"status":422,"body":{"message":"event has 256 bytes, at most 255 can be delivered"}}`}},
	{section: "HTTP single: JSON, binary…", why: "the path is cleaned, and leads to 404", line: "broadcast//events", instead: []string{`{"status":307}`}},
})

// crashes are payloads that are no objects: upstream sends them on and ends the
// sender's channel, here the sender is told and the channel stays.
func crashes() (all []deviation) {
	const section = "odd payloads in text pushes"
	for _, payload := range []string{`null`, `"text"`, `5`, `[1]`, `true`} {
		all = append(all, deviation{section: section, conn: "v1", why: "refused to its sender", line: `"payload":` + payload + `,"topic"`, drop: true})
	}
	for _, c := range []struct{ join, push, next int }{{1, 19, 20}, {20, 21, 22}, {22, 23, 24}, {24, 25, 26}, {26, 27, 28}} {
		all = append(all,
			deviation{section: section, why: "refused to its sender", line: fmt.Sprintf(`["%d","%[1]d","realtime:b6","phx_error"`, c.join), instead: []string{
				fmt.Sprintf(`["%d","%d","realtime:b6","phx_reply",{"status":"error","response":{"reason":"Broadcast payload must be a map","error":"invalid_payload"}}]`, c.join, c.push),
			}},
			deviation{section: section, why: "refused to its sender", line: fmt.Sprintf(`["%d","%[1]d","realtime:b6","phx_reply"`, c.next), also: []string{
				fmt.Sprintf(`["%d","%[1]d","realtime:b6","phx_close",{}]`, c.join),
			}},
		)
	}
	return all
}

var databaseDeviations = concat(lostMessages(), []deviation{
	{section: "replay on join", conn: "replay is true", why: "9", line: reply, also: warning("tr-bc-replay",
		"config.broadcast.replay: unable to parse, expected a map; nothing is replayed")},
})

// lostMessages are calls of realtime.send that lose the message: upstream warns,
// or says nothing, here they fail.
func lostMessages() (all []deviation) {
	for _, call := range []string{"'array', 'tr-bc-send'", "'scalar', 'tr-bc-send'", "'null payload', 'tr-bc-send'", "null, 'tr-bc-send')", "'null topic', null", "'null private', 'tr-bc-send', null"} {
		all = append(all, deviation{section: "realtime.send, private and public", why: "33", line: call, instead: []string{fails}})
	}
	return all
}
