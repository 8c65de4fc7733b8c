package auth

import (
	"context"
	"encoding/json"
	"time"
)

// Claims is a verified token's content.
type Claims struct {
	Role    string
	Subject string          // "sub", may be empty
	Expires time.Time       // from "exp", required
	Raw     json.RawMessage // the whole claims object as signed
}

// Config says which tokens are good. The zero Config accepts none.
type Config struct {
	Secrets  []string // HMAC secrets; the first is the newest
	JWKS     string   // a JSON Web Key Set, "" for none
	JWKSURL  string
	Audience string // required "aud" when not empty
	Issuer   string // required "iss" when not empty
	// APIKeys maps opaque keys (sb_publishable_…, sb_secret_…) to roles.
	APIKeys map[string]string
	// InsecureAnonymous accepts anything, even nothing, as role anon.
	InsecureAnonymous bool
}

// Verifier verifies tokens. It is safe for concurrent use.
type Verifier struct{}

// NewVerifier checks the config.
func NewVerifier(c Config) (*Verifier, error) { panic("contract") }

// Run refreshes a JWKS URL until ctx is done; it returns at once without one.
func (v *Verifier) Run(ctx context.Context) error { panic("contract") }

// Verify checks signature and claims (wire reference 9). Its errors are *Error.
func (v *Verifier) Verify(token string, now time.Time) (*Claims, error) { panic("contract") }

// Error is a refused token, with the texts of the reference for each place.
type Error struct {
	Code string // MalformedJWT, InvalidJWTToken, JwtSignatureError, JwtSignerError
	Text string // what is wrong, for example "Token has expired 3 seconds ago"
}

func (e *Error) Error() string { return e.Text }

// Reason is the text of a refused join: "InvalidJWTToken: Token has expired 3 seconds ago".
func (e *Error) Reason() string { return e.Code + ": " + e.Text }

// ConnectText is the text of a refused handshake (wire reference 1.5), where an
// expired token has no seconds.
func (e *Error) ConnectText() string { panic("contract") }
