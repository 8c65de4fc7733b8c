package conformance

import "fmt"

var privateChannelDeviations = concat(refusedWrites(), []deviation{
	{
		section: "presence not enabled: only broadcast is asked about", conn: "d", why: "26", pushed: true, line: `"payload":{"a":2}`,
		also: []string{`["1",null,"realtime:pv-br-bw-pr-pw-noenable","presence_state",{"e":{"metas":[{"phx_ref":"<phx_ref-4>","a":1}]}}]`},
	},
	{
		section: "presence not enabled: only broadcast is asked about", conn: "d", why: "a diff is one frame for everybody",
		replace: `["1",null,"realtime:pv-br-bw-pr-pw-noenable","presence_diff"`, by: `[null,null,"realtime:pv-br-bw-pr-pw-noenable","presence_diff"`,
	},
})

// refusedWrites are broadcasts with ack to topics that may not be written to:
// upstream says nothing.
func refusedWrites() (all []deviation) {
	for _, c := range []struct {
		section, topic string
		ref            int
		name           string
	}{
		{"policies allow: …", "pv-br", 2, "unauthorized"},
		{"policies allow: …", "pv-br-pr", 2, "unauthorized"},
		{"policies allow: …", "pv-pr", 2, "unauthorized"},
		{"policies allow: …", "pv-pr-pw", 2, "unauthorized"},
		{"policies allow: …", "pv-br-pw", 2, "unauthorized"},
		{"write policy that raises an error", "boomw-1", 2, "rls_policy_error"},
		{"the refused write is remembered; a new token asks again", "role-1", 2, "unauthorized"},
		{"the refused write is remembered; a new token asks again", "role-1", 4, "unauthorized"},
	} {
		all = append(all, deviation{
			section: c.section, why: "23", pushed: true, line: fmt.Sprintf(`"%d","realtime:%s","broadcast"`, c.ref, c.topic),
			also: []string{fmt.Sprintf(`["1","%d","realtime:%s","phx_reply",{"status":"error","response":{"reason":"Unauthorized: You do not have permissions to write to this Channel topic: %[2]s","error":"%[3]s"}}]`, c.ref, c.topic, c.name)},
		})
	}
	return all
}
