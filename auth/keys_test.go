package auth

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func rsaJWK(kid string, k *rsa.PublicKey, more string) string {
	return fmt.Sprintf(`{"kty":"RSA","kid":%q,"n":%q,"e":%q%s}`, kid, b64(k.N.Bytes()), b64(big.NewInt(int64(k.E)).Bytes()), more)
}

func ecJWK(t testing.TB, kid string, k *ecdsa.PublicKey) string {
	t.Helper()
	point, err := k.Bytes() // 4, X, Y
	if err != nil {
		t.Fatal(err)
	}
	half := (len(point) - 1) / 2
	return fmt.Sprintf(`{"kty":"EC","kid":%q,"crv":%q,"x":%q,"y":%q}`, kid, k.Curve.Params().Name, b64(point[1:1+half]), b64(point[1+half:]))
}

func okpJWK(kid string, k ed25519.PublicKey) string {
	return fmt.Sprintf(`{"kty":"OKP","crv":"Ed25519","kid":%q,"x":%q}`, kid, b64(k))
}

func jwks(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }

// keyring is one private key of each kind, and the set of their public halves.
type keyring struct {
	rsa        *rsa.PrivateKey
	p256, p384 *ecdsa.PrivateKey
	ed         ed25519.PrivateKey
	jwks       string
}

func newKeyring(t testing.TB) *keyring {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pub, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r := &keyring{rsa: key, p256: newEC(t, elliptic.P256()), p384: newEC(t, elliptic.P384()), ed: ed}
	r.jwks = jwks(rsaJWK("r", &key.PublicKey, ""), ecJWK(t, "e", &r.p256.PublicKey), ecJWK(t, "e384", &r.p384.PublicKey), okpJWK("o", pub),
		fmt.Sprintf(`{"kty":"oct","kid":"s","k":%q}`, b64([]byte("the secret of the set"))), `{"kty":"oct","kid":"broken","k":"*"}`,
		`{"kty":"OKP","crv":"Ed448","kid":"o448","x":"AAAA"}`, rsaJWK("r-ps", &key.PublicKey, `,"alg":"PS256"`), `{"kty":"XX","kid":"x"}`)
	return r
}

func newEC(t testing.TB, c elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

const fine = `{"role":"anon","exp":1800003600}`

func withKid(t testing.TB, m jwt.SigningMethod, key any, kid string) string {
	t.Helper()
	return sign(t, m, key, fmt.Sprintf(`{"alg":%q,"kid":%q}`, m.Alg(), kid), fine)
}

func textKid(kid string) string {
	return `Failed to generate JWT signer for key ID (kid) "` + kid + `", check your JWT secret or JWKS configuration`
}

func TestVerifyChoosesTheKeyByAlgorithmAndKid(t *testing.T) {
	r := newKeyring(t)
	config := Config{Secrets: []string{secret}, JWKS: r.jwks}
	for _, c := range []struct {
		name, token string
		want        string // "" is accepted
	}{
		{"RS256", withKid(t, jwt.SigningMethodRS256, r.rsa, "r"), ""},
		{"RS384", withKid(t, jwt.SigningMethodRS384, r.rsa, "r"), ""},
		{"RS512", withKid(t, jwt.SigningMethodRS512, r.rsa, "r"), ""},
		{"PS256", withKid(t, jwt.SigningMethodPS256, r.rsa, "r"), ""},
		{"ES256", withKid(t, jwt.SigningMethodES256, r.p256, "e"), ""},
		{"ES384", withKid(t, jwt.SigningMethodES384, r.p384, "e384"), ""},
		{"EdDSA", withKid(t, jwt.SigningMethodEdDSA, r.ed, "o"), ""},
		{"Ed25519, the newer name of EdDSA", sign(t, jwt.SigningMethodEdDSA, r.ed, `{"alg":"Ed25519","kid":"o"}`, fine), ""},
		{"HS256 of the set", withKid(t, jwt.SigningMethodHS256, []byte("the secret of the set"), "s"), ""},
		{"HS256 with a kid that is not in the set", withKid(t, jwt.SigningMethodHS256, []byte(secret), "other"), ""},
		{"HS256 without kid", hs256(t, fine), ""},
		{"HS256 by the shared secret under the kid of another", withKid(t, jwt.SigningMethodHS256, []byte(secret), "s"), textSignature},
		{"HS256 with a kid whose secret is broken", withKid(t, jwt.SigningMethodHS256, []byte(secret), "broken"), textKid("broken")},
		{"unknown kid", withKid(t, jwt.SigningMethodRS256, r.rsa, "nobody"), textKid("nobody")},
		{"kid of another family", withKid(t, jwt.SigningMethodRS256, r.rsa, "e"), textKid("e")},
		{"kid of another curve", withKid(t, jwt.SigningMethodES256, r.p256, "e384"), textKid("e384")},
		{"kid of a curve that Go lacks", sign(t, jwt.SigningMethodEdDSA, r.ed, `{"alg":"EdDSA","kid":"o448"}`, fine), textKid("o448")},
		{"algorithm that the key forbids", withKid(t, jwt.SigningMethodRS256, r.rsa, "r-ps"), textKid("r-ps")},
		{"RS256 without kid", sign(t, jwt.SigningMethodRS256, r.rsa, `{"alg":"RS256"}`, fine), textSigner},
		{"none with a kid", segment(`{"alg":"none","kid":"r"}`) + "." + segment(fine) + ".", textSigner},
		{"signature of another key", withKid(t, jwt.SigningMethodES256, newEC(t, elliptic.P256()), "e"), textSignature},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := newVerifier(t, config).Verify(c.token, now())
			if got := errorText(err); got != c.want {
				t.Errorf("Verify = %q; want %q", got, c.want)
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// The classic attack: a public key is public, so an attacker who can make the server
// use it as an HMAC secret can sign anything.
func TestAlgorithmsCannotBeConfused(t *testing.T) {
	r := newKeyring(t)
	v := newVerifier(t, Config{JWKS: r.jwks})
	withSecret := newVerifier(t, Config{JWKS: r.jwks, Secrets: []string{secret}})
	for kid, public := range map[string]crypto.PublicKey{"r": r.rsa.Public(), "e": r.p256.Public(), "o": r.ed.Public()} {
		der, err := x509.MarshalPKIXPublicKey(public)
		if err != nil {
			t.Fatal(err)
		}
		for name, key := range map[string][]byte{
			"PEM": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), "DER": der, "nothing": {},
		} {
			for _, m := range []jwt.SigningMethod{jwt.SigningMethodHS256, jwt.SigningMethodHS384, jwt.SigningMethodHS512} {
				token := withKid(t, m, key, kid)
				if _, err := v.Verify(token, now()); errorText(err) != textKid(kid) {
					t.Errorf("%s token signed with the %s of %q: %v", m.Alg(), name, kid, err)
				}
				if _, err := withSecret.Verify(token, now()); errorText(err) != textSignature {
					t.Errorf("%s token signed with the %s of %q, secret configured: %v", m.Alg(), name, kid, err)
				}
			}
		}
	}
	for _, alg := range []string{"none", "None", "NONE", "nOnE", "hs256", "", "HS256 "} {
		token := segment(fmt.Sprintf(`{"alg":%q,"kid":"r"}`, alg)) + "." + segment(fine) + "."
		if _, err := withSecret.Verify(token, now()); errorText(err) != textSigner {
			t.Errorf("alg %q: %v", alg, err)
		}
	}
}

// jwksServer serves a set that can be changed and counts the fetches.
type jwksServer struct {
	*httptest.Server
	set     atomic.Value
	fetches atomic.Int32
}

func newJWKSServer(t *testing.T, set string) *jwksServer {
	s := &jwksServer{}
	s.set.Store(set)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.fetches.Add(1)
		body := s.set.Load().(string)
		if body == "" {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		fmt.Fprint(w, body)
	}))
	t.Cleanup(s.Close)
	return s
}

// remoteVerifier trusts the server's keys; Run has fetched them once.
func remoteVerifier(t *testing.T, s *jwksServer) *Verifier {
	v := newVerifier(t, Config{JWKSURL: s.URL})
	v.keys.remote.client = s.Client()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- v.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	for deadline := time.Now().Add(10 * time.Second); s.fetches.Load() == 0 || v.keys.remote.keys.Load() == nil && s.set.Load() != ""; {
		if time.Now().After(deadline) {
			t.Fatal("Run did not fetch the key set")
		}
		<-time.After(time.Millisecond)
	}
	return v
}

func TestVerifyFollowsAKeySetURL(t *testing.T) {
	first, second := newEC(t, elliptic.P256()), newEC(t, elliptic.P256())
	s := newJWKSServer(t, jwks(ecJWK(t, "1", &first.PublicKey)))
	v := remoteVerifier(t, s)
	one, two := withKid(t, jwt.SigningMethodES256, first, "1"), withKid(t, jwt.SigningMethodES256, second, "2")
	if _, err := v.Verify(one, now()); err != nil {
		t.Fatalf("token of the first key: %v", err)
	}
	if n := s.fetches.Load(); n != 1 {
		t.Fatalf("%d fetches; want 1", n)
	}

	s.set.Store(jwks(ecJWK(t, "2", &second.PublicKey))) // rotation: 2 replaces 1
	if _, err := v.Verify(two, now()); err != nil {
		t.Errorf("token of the second key: %v", err)
	}
	if _, err := v.Verify(one, now()); errorText(err) != textKid("1") {
		t.Errorf("token of the withdrawn key, verified before: %v", err)
	}
	for i := range 50 {
		kid := fmt.Sprint("unknown ", i)
		if _, err := v.Verify(withKid(t, jwt.SigningMethodES256, second, kid), now()); errorText(err) != textKid(kid) {
			t.Errorf("unknown key: %v", err)
		}
	}
	if n := s.fetches.Load(); n != 2 {
		t.Errorf("%d fetches; want 2, however many unknown keys are named", n)
	}
	if _, err := v.Verify(two, now()); err != nil {
		t.Errorf("known key while unknown ones are refused: %v", err)
	}
}

func TestAKeySetURLThatFailsKeepsTheLastKeys(t *testing.T) {
	key := newEC(t, elliptic.P256())
	s := newJWKSServer(t, jwks(ecJWK(t, "1", &key.PublicKey)))
	v := remoteVerifier(t, s)
	for _, bad := range []string{"", "garbage", `{"keys":null}`} {
		s.set.Store(bad)
		if err := v.keys.remote.fetch(t.Context()); err == nil {
			t.Errorf("fetch of %q succeeded", bad)
		}
	}
	if _, err := v.Verify(withKid(t, jwt.SigningMethodES256, key, "1"), now()); err != nil {
		t.Errorf("Verify: %v", err)
	}
}

func TestUnknownKeysMayBeAskedForTogether(t *testing.T) {
	key := newEC(t, elliptic.P256())
	s := newJWKSServer(t, "")
	v := remoteVerifier(t, s)
	s.set.Store(jwks(ecJWK(t, "1", &key.PublicKey)))
	token := withKid(t, jwt.SigningMethodES256, key, "1")
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := v.Verify(token, now()); err != nil {
				t.Errorf("Verify: %v", err)
			}
		})
	}
	wg.Wait()
}

func TestTheURLOfTheKeySetIsNotLogged(t *testing.T) {
	var log bytes.Buffer
	r := newRemote("http://user:PASSWORD@127.0.0.1:1/jwks?apikey=KEY", slog.New(slog.NewTextHandler(&log, nil)))
	r.missing()
	if got := log.String(); !strings.Contains(got, "key set not refreshed") || strings.Contains(got, "KEY") || strings.Contains(got, "PASSWORD") {
		t.Errorf("log %q; want why, without the URL", got)
	}
}
