package conformance

import "fmt"

var presenceOmissions = []omission{
	{"changes close together", "which of them are merged is a matter of time: see channels/presence_test.go"},
	{"odd presence messages", "upstream ends the channel, here it stays, and joins again: as in the next. Played in presence"},
	{"one socket, two channels", "whether the state of a second join has the first one still is a matter of time. Played in presence"},
}

var presenceDeviations = concat(
	presentAtJoin("absent", "absent", 4), presentAtJoin("only a key", "onlyakey", 13), presentAtJoin("{}", "", 16),
	[]deviation{
		{section: "join with presence enabled false…", conn: "c", why: "25", line: `"second":true`, drop: true},
		{section: "join with presence enabled false…", conn: "c", why: "26", pushed: true, line: `"mine":1`, also: []string{
			`["1",null,"realtime:p-enabledfalse","presence_state",{"other":{"metas":[{"phx_ref":"<phx_ref-8>","phx_ref_prev":"<phx_ref-7>","second":true}]}}]`,
		}},
		{section: "track over the size limit", conn: "a", why: "28", line: `"system"`, drop: true},
		{section: "track over the size limit", conn: "a", why: "28", line: `"phx_close"`, instead: []string{
			`["1","2","realtime:p-big","phx_reply",{"status":"error","response":{"reason":"Track message size exceeded"}}]`,
		}},
		{section: "track over the size limit", conn: "a", why: "28", line: `["3","3","realtime:p-big","phx_reply"`, also: []string{
			`["1","1","realtime:p-big","phx_close",{}]`,
		}},
	},
)

// presentAtJoin is the state that a join gets which says nothing of presence.
func presentAtJoin(said, topic string, ref int) []deviation {
	return []deviation{{
		section: "join with presence " + said + ":…", conn: "c", why: "25", replace: `"presence_state",{}`,
		by: fmt.Sprintf(`"presence_state",{"other":{"metas":[{"phx_ref":"<phx_ref-%d>","first":true}]}}`, ref), line: "realtime:p-" + topic + `"`,
	}}
}
