package auth

import (
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// TestVerifyReadsEveryHeaderAnew lets tokens with the header of the one before,
// which is remembered, take turns with others.
func TestVerifyReadsEveryHeaderAnew(t *testing.T) {
	r := newKeyring(t)
	v := newVerifier(t, Config{Secrets: []string{secret}, JWKS: r.jwks})
	good := []string{
		hs256(t, fine),
		hs256(t, `{"role":"anon","exp":1800003601}`),
		withKid(t, jwt.SigningMethodES256, r.p256, "e"),
		withKid(t, jwt.SigningMethodRS256, r.rsa, "r"),
		hs256(t, `{"role":"anon","exp":1800003602}`),
	}
	for i, token := range good {
		if _, err := v.Verify(token, now()); err != nil {
			t.Errorf("token %d: %v, want it taken", i, err)
		}
	}
	if got := refused(t, v, sign(t, jwt.SigningMethodES256, r.p256, `{"alg":"HS256","typ":"JWT"}`, fine+" "), now()); got.text != textSignature {
		t.Errorf("a signature of another algorithm than the header's: %q, want %q", got.text, textSignature)
	}
}
