package channels

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"walcast/auth"
)

// TestANewTokenIsWatchedThatComesWhileTheOldOneIsVerified: verifying may wait for a key
// set. The end of the old token must not count for the new one, which ends earlier.
func TestANewTokenIsWatchedThatComesWhileTheOldOneIsVerified(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	asked, release := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(asked) // it is asked once
		<-release
		b64 := func(n interface{ FillBytes([]byte) []byte }) string {
			return base64.RawURLEncoding.EncodeToString(n.FillBytes(make([]byte, 32)))
		}
		fmt.Fprintf(w, `{"keys":[{"kty":"EC","crv":"P-256","kid":"k","x":%q,"y":%q}]}`, b64(key.X), b64(key.Y))
	}))
	t.Cleanup(server.Close)
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	verifier, err := auth.NewVerifier(auth.Config{JWKSURL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	token := func(expires time.Time) string {
		unsigned := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{"role": "anon", "exp": expires.Unix()})
		unsigned.Header["kid"] = "k"
		signed, err := unsigned.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	e, soon := newExpiry(verifier), now().Add(time.Minute)
	ch := &channel{access: &access{token: token(now().Add(time.Hour))}}
	done := make(chan struct{})
	go func() { defer close(done); e.recheck(ch) }()
	<-asked
	ch.access.mu.Lock()
	ch.access.token = token(soon)
	ch.access.mu.Unlock()
	e.watch(ch, soon)
	close(release)
	<-done
	if at := e.at[ch].when; at.After(soon) {
		t.Errorf("the new token is looked at again at %s, and expires at %s", at, soon)
	}
}
