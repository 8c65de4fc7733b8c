package protocol

import "strings"

// opaqueKey starts the keys of the sb_publishable_… and sb_secret_… kind. They
// are no tokens: a client that sends one as a channel's token means the
// connection's.
const opaqueKey = "sb_"

// AccessToken reads the payload of an access_token event. Without a token that
// is to be looked at there is nothing to do (docs/protocol.md, "New tokens").
func AccessToken(payload []byte) (token string, ok bool) {
	doc, valid := parse(payload)
	if !valid {
		return "", false
	}
	var given value
	for name, v := range doc.pairs() {
		if string(name) == "access_token" {
			given = v
		}
	}
	token, ok = given.text()
	return token, ok && !strings.HasPrefix(token, opaqueKey)
}

// channelToken chooses the token of a join: user_token, which is the older
// name, before access_token; nil for the connection's.
func channelToken(accessToken, userToken value) *string {
	first := accessToken
	if first.isNull() || first.kind() == 'f' {
		first = userToken
	}
	if token, ok := first.text(); ok && strings.HasPrefix(token, opaqueKey) {
		return nil
	}
	for _, v := range []value{userToken, accessToken} {
		if token, ok := v.text(); ok {
			return &token
		}
	}
	return nil
}
