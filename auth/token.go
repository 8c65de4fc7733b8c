package auth

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
)

// maxToken bounds what is looked at: claims travel to Postgres with every check.
const maxToken = 64 << 10

// token is a JWT taken apart, nothing of it trusted yet.
type token struct {
	alg, kid  string
	signed    string // header and claims as they were signed
	signature []byte // nil when it is not base64url
	claims    claimSet
	raw       json.RawMessage // the claims object
}

// clean undoes what query strings and copying do to a token: percent-encoding
// and white space.
func clean(s string) (string, error) {
	if len(s) > maxToken {
		return "", malformed()
	}
	s, err := url.PathUnescape(s)
	if err != nil {
		return "", malformed()
	}
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\n\v\f\r", r) {
			return -1
		}
		return r
	}, s), nil
}

// parse takes a cleaned token apart: claims first, then the header, as upstream.
func parse(s string) (*token, error) {
	parts := strings.Split(s, ".")
	if len(parts) != 3 {
		return nil, malformed()
	}
	t := &token{signed: s[:len(parts[0])+1+len(parts[1])]}
	var err error
	if t.raw, err = base64.RawURLEncoding.DecodeString(parts[1]); err != nil {
		return nil, malformed()
	}
	if t.claims = object(t.raw); t.claims == nil {
		return nil, malformed()
	}
	head, err := base64.RawURLEncoding.DecodeString(parts[0])
	if err != nil {
		return nil, malformed()
	}
	header := object(head)
	if header == nil {
		return nil, malformed()
	}
	t.alg, t.kid = stringOnly(header["alg"]), stringOnly(header["kid"])
	if t.signature, err = base64.RawURLEncoding.DecodeString(parts[2]); err != nil {
		t.signature = nil
	}
	return t, nil
}

// object decodes a JSON object with exact names; nil for anything else.
func object(raw []byte) map[string]json.RawMessage {
	var m map[string]json.RawMessage
	if json.Unmarshal(raw, &m) != nil {
		return nil
	}
	return m
}

func stringOnly(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}
