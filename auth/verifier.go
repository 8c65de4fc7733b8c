package auth

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	// cacheSize is how many verified tokens are remembered; verifying one again
	// costs 5 µs (HS256) to 75 µs (ES256).
	cacheSize = 8 << 10
	// cacheToken is the longest token that is remembered, so that the cache
	// stays below 50 MB whatever the claims.
	cacheToken = 8 << 10
)

// Verifier verifies tokens. It is safe for concurrent use.
type Verifier struct {
	config  Config
	keys    keys
	apiKeys map[[sha256.Size]byte]*Claims // by hash, so that look-ups tell nothing by their time
	anon    *Claims                       // what InsecureAnonymous gives for every token
	seen    *lru.Cache[[sha256.Size]byte, seen]
	header  atomic.Pointer[header] // of the last good token
}

// NewVerifier checks the config.
func NewVerifier(c Config) (*Verifier, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	static, err := parseJWKS(c.JWKS)
	if err != nil {
		return nil, fmt.Errorf("jwks: %w", err)
	}
	v := &Verifier{
		config: c, keys: keys{static: static}, anon: roleOnly("anon"),
		apiKeys: make(map[[sha256.Size]byte]*Claims, len(c.APIKeys)),
	}
	for _, s := range c.Secrets {
		v.keys.secrets = append(v.keys.secrets, []byte(s))
	}
	if c.JWKSURL != "" {
		v.keys.remote = newRemote(c.JWKSURL, c.Logger)
	}
	for key, role := range c.APIKeys {
		v.apiKeys[sha256.Sum256([]byte(key))] = roleOnly(role)
	}
	v.seen, err = lru.New[[sha256.Size]byte, seen](cacheSize)
	return v, err
}

// roleOnly is claims that name a role and nothing else.
func roleOnly(role string) *Claims {
	raw, _ := json.Marshal(map[string]string{"role": role}) // a map of strings always encodes
	return &Claims{Role: role, Expires: time.Unix(latest, 0).UTC(), Raw: raw}
}

// Run refreshes a JWKS URL until ctx is done; it returns at once without one.
func (v *Verifier) Run(ctx context.Context) error {
	if v.keys.remote != nil {
		v.keys.remote.run(ctx)
	}
	return nil
}

// Verify checks signature and claims by the rules of docs/protocol.md, "Tokens".
// Its errors are *Error.
// It does no I/O except when a token names a key that the JWKS URL may have
// published since: then it waits for that, five seconds at most.
func (v *Verifier) Verify(token string, now time.Time) (*Claims, error) {
	if v.config.InsecureAnonymous {
		return v.anon, nil
	}
	cleaned, err := clean(token)
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256([]byte(cleaned))
	if c, ok := v.apiKeys[hash]; ok {
		return c, nil
	}
	if s, ok := v.seen.Get(hash); ok && s.good(v.keys.generation(), now) {
		return s.claims, nil
	}
	return v.verify(cleaned, hash, now)
}

func (v *Verifier) verify(cleaned string, hash [sha256.Size]byte, now time.Time) (*Claims, error) {
	known := v.header.Load()
	t, err := parse(cleaned, known)
	if err != nil {
		return nil, err
	}
	// Taken before the check: should the keys change meanwhile, the result is
	// not remembered as one of the new keys.
	generation := v.keys.generation()
	if err := v.keys.verify(t); err != nil {
		return nil, err
	}
	expires, err := t.claims.check(v.config, now)
	if err != nil {
		return nil, err
	}
	c := &Claims{Role: text(t.claims["role"]), Subject: text(t.claims["sub"]), Expires: expires, Raw: t.raw}
	if known == nil || known.text != t.header.text {
		v.header.Store(&header{text: t.text, alg: t.alg, kid: t.kid})
	}
	if len(cleaned) <= cacheToken {
		v.seen.Add(hash, seen{claims: c, generation: generation})
	}
	return c, nil
}
