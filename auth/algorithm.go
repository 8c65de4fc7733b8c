package auth

import (
	"crypto/ecdsa"

	"github.com/golang-jwt/jwt/v5"
)

// family is the "kty" of the keys that an algorithm takes. A key is filed and
// found under its family, so a public key can never serve as an HMAC secret.
type family string

const (
	familyHMAC family = "oct"
	familyRSA  family = "RSA"
	familyEC   family = "EC"
	familyOKP  family = "OKP"
)

// algorithm is a value of the header's "alg".
type algorithm struct {
	method jwt.SigningMethod
	family family
}

// algorithmOf knows what is accepted; "none" is not among it.
func algorithmOf(alg string) (algorithm, bool) {
	switch alg {
	case "HS256":
		return algorithm{jwt.SigningMethodHS256, familyHMAC}, true
	case "HS384":
		return algorithm{jwt.SigningMethodHS384, familyHMAC}, true
	case "HS512":
		return algorithm{jwt.SigningMethodHS512, familyHMAC}, true
	case "RS256":
		return algorithm{jwt.SigningMethodRS256, familyRSA}, true
	case "RS384":
		return algorithm{jwt.SigningMethodRS384, familyRSA}, true
	case "RS512":
		return algorithm{jwt.SigningMethodRS512, familyRSA}, true
	case "PS256":
		return algorithm{jwt.SigningMethodPS256, familyRSA}, true
	case "PS384":
		return algorithm{jwt.SigningMethodPS384, familyRSA}, true
	case "PS512":
		return algorithm{jwt.SigningMethodPS512, familyRSA}, true
	case "ES256":
		return algorithm{jwt.SigningMethodES256, familyEC}, true
	case "ES384":
		return algorithm{jwt.SigningMethodES384, familyEC}, true
	case "ES512":
		return algorithm{jwt.SigningMethodES512, familyEC}, true
	case "EdDSA", "Ed25519":
		return algorithm{jwt.SigningMethodEdDSA, familyOKP}, true
	}
	return algorithm{}, false
}

// fits reports whether the key may be used: the method does not check that an
// elliptic key is on its own curve.
func (a algorithm) fits(key any) bool {
	m, ok := a.method.(*jwt.SigningMethodECDSA)
	if !ok {
		return true
	}
	k, ok := key.(*ecdsa.PublicKey)
	return ok && k.Curve.Params().BitSize == m.CurveBits
}
