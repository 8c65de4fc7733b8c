package auth

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
)

// Config says which tokens are good. The zero Config accepts none.
type Config struct {
	// Secrets are HMAC secrets as raw bytes. The first is the newest; the others
	// are still accepted, for rotation.
	Secrets []string
	// JWKS is a JSON Web Key Set, "" for none. Keys that cannot be used (unknown
	// type or curve) refuse the tokens that name them, not the whole set.
	JWKS string
	// JWKSURL is where a JSON Web Key Set is fetched from: by Run every five
	// minutes, and at most every ten seconds when a token names an unknown key.
	JWKSURL  string
	Audience string // required "aud" when not empty
	Issuer   string // required "iss" when not empty
	// APIKeys maps opaque keys (sb_publishable_…, sb_secret_…) to roles.
	APIKeys map[string]string
	// InsecureAnonymous accepts anything, even nothing, as role anon.
	InsecureAnonymous bool
	// Logger is told when the JWKS URL cannot be read; nil is silent.
	Logger *slog.Logger
}

// Validate names every bad field at once. It never repeats a secret.
func (c Config) Validate() (err error) {
	for i, s := range c.Secrets {
		switch {
		case s == "":
			err = errors.Join(err, fmt.Errorf("secrets: number %d is empty", i+1))
		case strings.HasPrefix(strings.TrimSpace(s), "-----BEGIN "):
			// A public key used as an HMAC secret lets anybody who has it sign.
			err = errors.Join(err, fmt.Errorf("secrets: number %d is a PEM key; public keys belong in the JWKS", i+1))
		}
	}
	if _, e := parseJWKS(c.JWKS); e != nil {
		err = errors.Join(err, fmt.Errorf("jwks: %w", e))
	}
	if c.JWKSURL != "" {
		u, e := url.Parse(c.JWKSURL)
		if e != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
			err = errors.Join(err, errors.New("jwks_url: want an absolute http or https URL"))
		}
	}
	for key, role := range c.APIKeys {
		switch {
		case key == "" || role == "":
			err = errors.Join(err, errors.New("api_keys: neither a key nor a role may be empty"))
		case !isRole(role):
			err = errors.Join(err, errors.New("api_keys: want roles of at most 63 bytes without control characters"))
		}
	}
	return err
}
