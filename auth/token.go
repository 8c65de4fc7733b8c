package auth

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
)

// header is the first part of a token.
type header struct {
	text     string // as it was given
	alg, kid string
}

// maxToken bounds what is looked at: claims travel to Postgres with every check.
const maxToken = 64 << 10

// token is a JWT taken apart, nothing of it trusted yet.
type token struct {
	header
	signed    string // header and claims as they were signed
	signature []byte // nil when it is not base64url
	claims    claimSet
	raw       json.RawMessage // the claims object
}

const space = " \t\n\v\f\r"

// clean undoes what query strings and copying do to a token: percent-encoding
// and white space.
func clean(s string) (string, error) {
	if len(s) > maxToken {
		return "", malformed()
	}
	if !strings.ContainsAny(s, "%"+space) {
		return s, nil // nearly always, and the rest costs as much as the signature
	}
	s, err := url.PathUnescape(s)
	if err != nil {
		return "", malformed()
	}
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(space, r) {
			return -1
		}
		return r
	}, s), nil
}

// parse takes a cleaned token apart: claims first, then the header, as upstream.
// known is a header that was read before, or nil: all tokens of an issuer begin
// alike.
func parse(s string, known *header) (*token, error) {
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
	if known != nil && known.text == parts[0] {
		t.header = *known
	} else if t.header, err = readHeader(parts[0]); err != nil {
		return nil, err
	}
	if t.signature, err = base64.RawURLEncoding.DecodeString(parts[2]); err != nil {
		t.signature = nil
	}
	return t, nil
}

func readHeader(part string) (header, error) {
	raw, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return header{}, malformed()
	}
	fields := object(raw)
	if fields == nil {
		return header{}, malformed()
	}
	return header{text: strings.Clone(part), alg: stringOnly(fields["alg"]), kid: stringOnly(fields["kid"])}, nil
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

// Read returns the claims of a token that nobody has looked at otherwise: whoever wrote it
// may have made them up. It is for telling what would become of them. Errors are *Error.
func Read(token string) (*Claims, error) {
	cleaned, err := clean(token)
	if err != nil {
		return nil, err
	}
	t, err := parse(cleaned, nil)
	if err != nil {
		return nil, err
	}
	return &Claims{Role: text(t.claims["role"]), Subject: text(t.claims["sub"]), Raw: t.raw}, nil
}
