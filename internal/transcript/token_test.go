package transcript

import (
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func TestMakeSignsClaimsOfNow(t *testing.T) {
	now := time.Now()
	token := Token{Name: "<jwt:anon>", Header: []byte(`{"alg":"HS256","typ":"JWT"}`), Claims: []byte(`{"role":"anon","iat":"now","exp":"now+3600"}`)}
	made, err := token.Make("a secret", now)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jwt.Parse(made, func(*jwt.Token) (any, error) { return []byte("a secret"), nil })
	if err != nil {
		t.Fatalf("token of %s: %v", token.Claims, err)
	}
	expires, err := parsed.Claims.GetExpirationTime()
	if err != nil || expires.Unix() != now.Unix()+3600 {
		t.Errorf("token expires at %v, %v; want an hour from %v", expires, err, now)
	}
}

func TestMakeKeepsWhatIsWrongWithAToken(t *testing.T) {
	const header = `{"alg":"none"}`
	for _, c := range []struct {
		token Token
		want  string
	}{
		{Token{Header: []byte(header), Claims: []byte(`"[\"a\"]"`), Signature: "(empty)"}, "eyJhbGciOiJub25lIn0.WyJhIl0."},
		{Token{Header: []byte(header), Claims: []byte(`{}`), Signature: "AAAA"}, "eyJhbGciOiJub25lIn0.e30.AAAA"},
		{Token{Header: []byte(header), Claims: []byte(`{}`)}, "eyJhbGciOiJub25lIn0.e30."},
	} {
		if got, err := c.token.Make("a secret", time.Now()); err != nil || got != c.want {
			t.Errorf("Make of claims %s, signature %q = %q, %v; want %q", c.token.Claims, c.token.Signature, got, err, c.want)
		}
	}
}
