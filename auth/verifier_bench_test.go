package auth

import (
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

func BenchmarkVerify(b *testing.B) {
	r := newKeyring(b)
	for _, c := range []struct{ name, token string }{
		{"HS256", hs256(b, fine)},
		{"ES256", withKid(b, jwt.SigningMethodES256, r.p256, "e")},
		{"RS256", withKid(b, jwt.SigningMethodRS256, r.rsa, "r")},
	} {
		v := newVerifier(b, Config{Secrets: []string{secret}, JWKS: r.jwks})
		b.Run(c.name+"/first", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				v.seen.Purge()
				if _, err := v.Verify(c.token, now()); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(c.name+"/again", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(c.token, now()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
