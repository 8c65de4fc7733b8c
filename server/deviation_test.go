package server

import (
	"regexp"
	"strings"
)

// notPlayed says why a recorded scene is not played, "" if it is.
func notPlayed(scene string) string {
	for _, s := range []struct{ name, why string }{
		{"over the size limit", "the recording leaves out the payloads; channels tries the limit"},
		{"payload of 1 000 000 bytes", "the recording leaves out the payload; the soak has its like"},
		{"HTTP batch: too large", "the recording leaves out the payloads; channels tries the limit"},
		{"odd payloads in text pushes", "a payload that is no object is refused, and the channel stays"},
		{"numbers, escapes and key order", "payload bytes are relayed as they are, not encoded again"},
		{"track over the size limit", "the recording leaves out the payload, and the channel stays (decision 28)"},
		{"join with presence absent", "presence_state comes unless it is disabled (decisions 25, 26)"},
		{"join with presence enabled false", "diffs come to who has presence enabled only (decisions 25, 26)"},
		{"join with presence only a key", "presence_state comes unless it is disabled (decisions 25, 26)"},
		{"join with presence {}", "presence_state comes unless it is disabled (decisions 25, 26)"},
		{"changes close together", "diffs that are close together are merged, as the reference may"},
		{"odd presence messages", "an event that is no string is answered, and the channel stays; presence plays the rest"},
		{"one socket, two channels", "who rejoins gets the state with the old channel and then its leave; presence plays it"},
		{"broadcast_changes: misuse", "no frames; migrations tries the errors"},
	} {
		if strings.HasPrefix(scene, s.name) {
			return s.why
		}
	}
	return ""
}

// deviations are the lines of recordings that are different here: a frame that
// does not come or another one, another answer to a request, or an answer to a
// push that the reference does not answer.
var deviations = []struct{ dir, line, instead, why string }{
	{
		">", `"(\d+)","realtime:(pv-(?:br|br-pr|pr|pr-pw|br-pw)|boomw-1|role-1)","broadcast",`,
		`["1","$1","realtime:$2","phx_reply",{"status":"error","response":{"reason":"Unauthorized: You do not have permissions to write to this Channel topic: $2"}}]`,
		"a refused broadcast with ack is answered (decision 23)",
	},
	{
		"<", `\["1",null,"realtime:pv-br-bw-pr-pw-noenable","presence_diff",(.*\])\}`, `[null,null,"realtime:pv-br-bw-pr-pw-noenable","presence_diff",$1`,
		"diffs are the same frame for everybody",
	},
	{"http", `"Authorization":"<jwt:anon>"`, "401", "a header of one word is no token"},
	{
		">", `"2","realtime:pv-br-bw-pr-pw-noenable","presence",.*"payload":\{"a":2\}`,
		`["1",null,"realtime:pv-br-bw-pr-pw-noenable","presence_state",{"e":{"metas":[{"a":1,"phx_ref":"any"}]}}]`,
		"who tracks takes part (decision 26)",
	},
	{
		">", `"replay":true`,
		`["1",null,"realtime:tr-bc-replay","system",{"channel":"tr-bc-replay","extension":"system","status":"ok",` +
			`"message":"warning: config.broadcast.replay: unable to parse, expected a map; nothing is replayed"}]`,
		"an invalid field is told (decision 9)",
	},
	{"http", `nosuchtenant`, "", "one project answers on any host"},
	{"http", `events/none`, "415", "without a content type there is no payload (decision 40)"},
	{"<", `6e6f6e657b7d"|"event":"none"`, "", "as above"},
	{"http", `private=bogus`, "422", "what is not a boolean must not make a message public (decision 39)"},
	{"<", `private-bogus`, "", "as above"},
	{"http", `events/e{200,}`, "422", "a reason instead of 500"},
	{"http", `broadcast//events`, "307", "the path is cleaned, and leads to 404"},
	{"http", `"content-type":"text/plain"\},"body":\{"messages"`, `415 {"error":"Unsupported Media Type. Use application/json"}`, "decision 40"},
	{"http", `x-www-form-urlencoded"\},"body":\{"text_raw":"messages`, "415", "decision 40"},
	{"<", `"payload":\{"a":"1"\}`, "", "as above"},
}

// deviationOf says what comes instead of a line, if it is a deviation.
func deviationOf(l transcriptLine) (instead string, ok bool) {
	for _, d := range deviations {
		if d.dir != l.Dir {
			continue
		}
		line := regexp.MustCompile(d.line)
		if m := line.FindStringSubmatchIndex(l.text); m != nil {
			return string(line.ExpandString(nil, d.instead, l.text, m)), true
		}
	}
	return "", false
}
