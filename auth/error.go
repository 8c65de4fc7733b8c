package auth

import (
	"fmt"
	"net/http"
	"strings"
)

// The codes of refused tokens.
const (
	CodeMalformed = "MalformedJWT"
	CodeInvalid   = "InvalidJWTToken"
	CodeSignature = "JwtSignatureError"
	CodeSigner    = "JwtSignerError"
)

// Error is a refused token, with upstream's texts for each kind of answer. It never
// contains the token, a secret or a claim's value, but may name a key ID.
type Error struct {
	Code string // MalformedJWT, InvalidJWTToken, JwtSignatureError, JwtSignerError; "" has no name upstream
	Text string // what is wrong, for example "Token has expired 3 seconds ago"

	connect string // where it is not Text
	status  int    // where it is not 401
}

// Error is the text that a refused access_token or an expiry sends.
func (e *Error) Error() string { return e.Text }

// ConnectText is the text of a refused handshake, where an expired token has no
// seconds.
func (e *Error) ConnectText() string {
	if e.connect != "" {
		return e.connect
	}
	return e.Text
}

// HasExpired reports whether the token was good once: another may be fetched.
func (e *Error) HasExpired() bool { return e.connect == connectExpired }

// Status is the HTTP status of a refused handshake. All other HTTP answers to
// a refused token are 401.
func (e *Error) Status() int {
	if e.status != 0 {
		return e.status
	}
	return http.StatusUnauthorized
}

func malformed() *Error {
	return &Error{Code: CodeMalformed, Text: "The token provided is not a valid JWT"}
}

func badSignature() *Error {
	return &Error{Code: CodeSignature, Text: "Failed to validate JWT signature"}
}

func missingClaims() *Error {
	return &Error{Code: CodeInvalid, Text: "Fields `role` and `exp` are required in JWT"}
}

// connectExpired is what a handshake is told of an expired token.
const connectExpired = "Token has expired"

func expired(seconds int64) *Error {
	return &Error{
		Code:    CodeInvalid,
		Text:    fmt.Sprintf("Token has expired %d seconds ago", max(0, seconds)),
		connect: connectExpired,
	}
}

func early(seconds int64) *Error {
	return &Error{
		Code:    CodeInvalid,
		Text:    fmt.Sprintf("Token is not valid before %d seconds from now", seconds),
		connect: "Token is not valid yet",
	}
}

func badRole() *Error {
	return &Error{
		Code: CodeInvalid,
		Text: "Field `role` in JWT is not the name of a role: it has at most 63 bytes and no control characters",
	}
}

// noSigner has a key ID only where upstream looked for one: the token names a
// key and there is a key set.
func noSigner(kid string) *Error {
	if kid == "" {
		return &Error{Code: CodeSigner, Text: "Failed to generate JWT signer, check your JWT secret or JWKS configuration"}
	}
	return &Error{Code: CodeSigner, Text: fmt.Sprintf(
		"Failed to generate JWT signer for key ID (kid) \"%s\", check your JWT secret or JWKS configuration", clip(kid))}
}

// unnamed is an error for which upstream has no code. A handshake gets its generic
// error; only Text says what is wrong.
func unnamed(text string) *Error {
	return &Error{
		Text:    text,
		connect: "Error connecting to Realtime",
		status:  http.StatusInternalServerError,
	}
}

// clip bounds what a client's own text adds to an answer.
func clip(s string) string {
	const limit = 255
	if len(s) > limit {
		return strings.ToValidUTF8(s[:limit], "") + "…"
	}
	return s
}
