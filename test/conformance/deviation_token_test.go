package conformance

// Upstream prints terms of its token library; here the texts are those with
// which a join is refused.
var tokenTexts = []struct{ recorded, here string }{
	{`":signature_error"`, `"Failed to validate JWT signature"`},
	{`":error_generating_signer"`, `"Failed to generate JWT signer, check your JWT secret or JWKS configuration"`},
	{`":expected_claims_map"`, `"The token provided is not a valid JWT"`},
	{`"[message: <now>, claim: \"exp\", claim_val: \"9999999999\"]"`, "\"Claim `exp` must be a number\""},
}

// expiring are the sections where a token expires: stock clients join again
// after phx_error, and stay away after phx_close.
var expiring = []string{
	"token of 8 s, given at connect and join, expires on a quiet channel [vsn 2.0.0]",
	"token of 8 s in the join only, with postgres_changes and presence; another socket watches",
	"token of 8 s renewed after 4 s by another of 8 s",
	"two channels of one socket with different expiry",
	"broadcast at the second of expiry on a private channel",
}

var tokenDeviations = concat(textDeviations(), expiryDeviations(), []deviation{
	{section: "access_token on a public channel: three words", why: "wording", line: "channel_crash", instead: []string{
		systemMessage("tok12", "system", "error", "The token provided is not a valid JWT"), `["1","1","realtime:tok12","phx_close",{}]`,
	}},
	{section: "token of 8 s, given at connect and join…", why: "30", replace: "expired 2 seconds ago", by: "expired <secs> seconds ago"},
	{
		section: "token of 8 s in the join only, with postgres_changes and presence; another socket watches", conn: "a",
		why: "30", line: `"leaves":{"me"`, drop: true, // nothing follows the end of a channel
	},
})

func textDeviations() (all []deviation) {
	for _, t := range tokenTexts {
		all = append(all, deviation{section: "access_token …", why: "30", replace: t.recorded, by: t.here})
	}
	return all
}

func expiryDeviations() []deviation {
	all := []deviation{{
		section: "token of 8 s, given at connect and join, expires on a quiet channel [vsn 1.0.0]", why: "30",
		replace: `"event":"phx_close","payload":{}`, by: `"event":"phx_error","payload":{"reason":"channel_crash"}`,
	}}
	for _, section := range expiring {
		all = append(all, deviation{section: section, why: "30", replace: `"phx_close",{}`, by: `"phx_error",{"reason":"channel_crash"}`})
	}
	return all
}
