package auth

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const secret = "a secret of at least thirty-two bytes"

// now is when all tests take place, in the middle of a second.
func now() time.Time { return time.Unix(1_800_000_000, 500_000_000) }

func segment(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// sign makes a token of raw header and claims, so that they can be anything.
func sign(t testing.TB, m jwt.SigningMethod, key any, header, claims string) string {
	t.Helper()
	signed := segment(header) + "." + segment(claims)
	sig, err := m.Sign(signed, key)
	if err != nil {
		t.Fatalf("sign with %s: %v", m.Alg(), err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(sig)
}

func hs256(t testing.TB, claims string) string {
	t.Helper()
	return sign(t, jwt.SigningMethodHS256, []byte(secret), `{"alg":"HS256","typ":"JWT"}`, claims)
}

func newVerifier(t testing.TB, c Config) *Verifier {
	t.Helper()
	v, err := NewVerifier(c)
	if err != nil {
		t.Fatalf("NewVerifier: %v", err)
	}
	return v
}

// sides is all that an Error says of a token.
type sides struct {
	text, code, connect string
	status              int
}

func refused(t *testing.T, v *Verifier, token string, at time.Time) sides {
	t.Helper()
	c, err := v.Verify(token, at)
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("Verify = %+v, %v; want an *Error", c, err)
	}
	return sides{e.Error(), e.Code, e.ConnectText(), e.Status()}
}

const (
	textMalformed = "The token provided is not a valid JWT"
	textSignature = "Failed to validate JWT signature"
	textMissing   = "Fields `role` and `exp` are required in JWT"
	textSigner    = "Failed to generate JWT signer, check your JWT secret or JWKS configuration"
	textRole      = "Field `role` in JWT is not the name of a role: it has at most 63 bytes and no control characters"
	textConnect   = "Error connecting to Realtime"
)

func TestVerifyRefusesWithTheTextsOfTheReference(t *testing.T) {
	good := hs256(t, `{"role":"anon","exp":1800003600}`)
	malformed := sides{textMalformed, CodeMalformed, textMalformed, 401}
	missing := sides{textMissing, CodeInvalid, textMissing, 401}
	signature := sides{textSignature, CodeSignature, textSignature, 401}
	signer := sides{textSigner, CodeSigner, textSigner, 401}
	generic := func(text string) sides { return sides{text, "", textConnect, 500} }
	expired := func(ago string) sides {
		text := "Token has expired " + ago + " seconds ago"
		return sides{text, CodeInvalid, "Token has expired", 401}
	}
	early := func(left string) sides {
		return sides{"Token is not valid before " + left + " seconds from now", CodeInvalid, "Token is not valid yet", 401}
	}
	role := sides{textRole, CodeInvalid, textRole, 401}
	for _, c := range []struct {
		name, token string
		want        sides
	}{
		{"empty", "", malformed},
		{"one word", "nonsense", malformed},
		{"three words", "aaa.bbb.ccc", malformed},
		{"base64 that is not JSON", "YWFh.YmJi.Y2Nj", malformed},
		{"claims that are not base64", segment(`{"alg":"HS256"}`) + ".!!!.AAAA", malformed},
		{"header that is not JSON", "YWFh." + segment(`{"role":"anon","exp":9999999999}`) + ".AAAA", malformed},
		{"header that is not base64", "!." + segment(`{"role":"anon","exp":9999999999}`) + ".AAAA", malformed},
		{"claims that are an array", hs256(t, `["a"]`), malformed},
		{"claims that are null", hs256(t, `null`), malformed},
		{"claims that are no JSON", hs256(t, `hello`), malformed},
		{"four parts", good + ".x", malformed},
		{"two parts", good[:strings.LastIndex(good, ".")], malformed},
		{"opaque key that is not known", "sb_publishable_abcdefghijklmnopqrstuv_12345678", malformed},
		{"broken percent-encoding", good + "%zz", malformed},
		{"far too long", strings.Repeat("a", maxToken) + good, malformed},
		{"another secret", sign(t, jwt.SigningMethodHS256, []byte("another secret"), `{"alg":"HS256"}`, `{"role":"anon","exp":1800003600}`), signature},
		{"no signature", good[:strings.LastIndex(good, ".")+1], signature},
		{"signature that is not base64", good + "!", signature},
		{"alg none", segment(`{"alg":"none"}`) + "." + segment(`{"role":"anon","exp":1800003600}`) + ".", signer},
		{"no alg", segment(`{}`) + "." + segment(`{"role":"anon","exp":1800003600}`) + ".AAAA", signer},
		{"RS256 without a key set", segment(`{"alg":"RS256"}`) + "." + segment(`{"role":"anon","exp":1800003600}`) + ".AAAA", signer},
		{"RS256 with kid, without a key set", segment(`{"alg":"RS256","kid":"k1"}`) + "." + segment(`{"role":"anon","exp":1800003600}`) + ".AAAA", signer},
		{"no claims", hs256(t, `{}`), missing},
		{"no role", hs256(t, `{"exp":1800003600}`), missing},
		{"no exp", hs256(t, `{"role":"anon"}`), missing},
		{"names in another case", hs256(t, `{"Role":"anon","EXP":1800003600}`), missing},
		{"expired", hs256(t, `{"role":"anon","exp":1799999000}`), expired("1000")},
		{"expired this second", hs256(t, `{"role":"anon","exp":1800000000}`), expired("0")},
		{"expired without role", hs256(t, `{"exp":1799999999}`), expired("1")},
		{"expired before there were dates", hs256(t, `{"role":"anon","exp":-1e300}`), expired("255202300799")},
		{"expired fraction", hs256(t, `{"role":"anon","exp":1799999990.5}`), generic("Token has expired 9 seconds ago")},
		{"exp is a string", hs256(t, `{"role":"anon","exp":"9999999999"}`), generic("Claim `exp` must be a number")},
		{"exp is null", hs256(t, `{"role":"anon","exp":null}`), generic("Claim `exp` must be a number")},
		{"nbf is a string", hs256(t, `{"role":"anon","exp":1800003600,"nbf":"1"}`), generic("Claim `nbf` must be a number")},
		{"nbf is null", hs256(t, `{"role":"anon","exp":1800003600,"nbf":null}`), generic("Claim `nbf` must be a number")},
		{"not valid yet", hs256(t, `{"role":"anon","exp":1800003600,"nbf":1800000003}`), early("3")},
		{"not valid for a part of this second", hs256(t, `{"role":"anon","exp":1800003600,"nbf":1800000000.5}`), early("1")},
		{"never valid", hs256(t, `{"role":"anon","exp":1800003600,"nbf":1e300}`), early("251602300799")},
		{"role with a NUL", hs256(t, `{"role":"an\u0000on","exp":1800003600}`), role},
		{"role with a line end", hs256(t, `{"role":"anon\n","exp":1800003600}`), role},
		{"role longer than Postgres has them", hs256(t, `{"role":"`+strings.Repeat("r", 64)+`","exp":1800003600}`), role},
		{"iat is a string", hs256(t, `{"role":"anon","exp":1800003600,"iat":"yesterday"}`), generic("Claim `iat` must be a number")},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := refused(t, newVerifier(t, Config{Secrets: []string{secret}}), c.token, now())
			if got != c.want {
				t.Errorf("Verify refused with %+v; want %+v", got, c.want)
			}
			if strings.Contains(got.text+got.code+got.connect, secret) {
				t.Error("the answer contains the secret")
			}
		})
	}
}

func TestVerifyAccepts(t *testing.T) {
	good := hs256(t, `{"role":"authenticated","sub":"u1","exp":1800003600,"x":{"n":1.50}}`)
	for _, c := range []struct {
		name, token, role, sub string
		expires                int64
	}{
		{"a plain token", good, "authenticated", "u1", 1800003600},
		{"white space around and within", " \n" + good[:9] + "\t" + good[9:] + "\r\n", "authenticated", "u1", 1800003600},
		{"percent-encoding", strings.ReplaceAll(good, ".", "%2E") + "%20", "authenticated", "u1", 1800003600},
		{"exp as a fraction", hs256(t, `{"role":"anon","exp":1800003600.5}`), "anon", "", 1800003601},
		{"exp beyond all dates", hs256(t, `{"role":"anon","exp":1e300}`), "anon", "", latest},
		{"iat in the future", hs256(t, `{"role":"anon","exp":1800003600,"iat":1800005000}`), "anon", "", 1800003600},
		{"nbf of this second", hs256(t, `{"role":"anon","exp":1800003600,"nbf":1800000000}`), "anon", "", 1800003600},
		{"nbf a fraction ago", hs256(t, `{"role":"anon","exp":1800003600,"nbf":1799999999.5}`), "anon", "", 1800003600},
		{"a role as long as Postgres has them", hs256(t, `{"role":"`+strings.Repeat("r", 63)+`","exp":1800003600}`), strings.Repeat("r", 63), "", 1800003600},
		{"role null", hs256(t, `{"role":null,"exp":1800003600}`), "", "", 1800003600},
		{"role that is a number", hs256(t, `{"role":7,"exp":1800003600,"sub":null}`), "7", "", 1800003600},
		{"no typ", sign(t, jwt.SigningMethodHS256, []byte(secret), `{"alg":"HS256"}`, `{"role":"anon","exp":1800003600}`), "anon", "", 1800003600},
		{"kid without a key set", sign(t, jwt.SigningMethodHS256, []byte(secret), `{"alg":"HS256","kid":"k1"}`, `{"role":"anon","exp":1800003600}`), "anon", "", 1800003600},
		{"kid that is a number", sign(t, jwt.SigningMethodHS256, []byte(secret), `{"alg":"HS256","kid":1}`, `{"role":"anon","exp":1800003600}`), "anon", "", 1800003600},
		{"HS384", sign(t, jwt.SigningMethodHS384, []byte(secret), `{"alg":"HS384"}`, `{"role":"anon","exp":1800003600}`), "anon", "", 1800003600},
		{"HS512", sign(t, jwt.SigningMethodHS512, []byte(secret), `{"alg":"HS512"}`, `{"role":"anon","exp":1800003600}`), "anon", "", 1800003600},
		{"the last of two equal names", hs256(t, `{"role":"postgres","role":"anon","exp":1800003600}`), "anon", "", 1800003600},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := newVerifier(t, Config{Secrets: []string{secret}})
			for range 2 { // the second time from the cache
				got, err := v.Verify(c.token, now())
				if err != nil {
					t.Fatalf("Verify: %v", err)
				}
				if got.Role != c.role || got.Subject != c.sub || got.Expires.Unix() != c.expires || !json.Valid(got.Raw) {
					t.Errorf("Verify = %q %q %d %s; want %q %q %d", got.Role, got.Subject, got.Expires.Unix(), got.Raw, c.role, c.sub, c.expires)
				}
			}
		})
	}
	got, err := newVerifier(t, Config{Secrets: []string{secret}}).Verify(good, now())
	if err != nil || string(got.Raw) != `{"role":"authenticated","sub":"u1","exp":1800003600,"x":{"n":1.50}}` {
		t.Errorf("Raw = %s, %v; want the claims byte for byte", got.Raw, err)
	}
}

func TestVerifyRemembersNoTokenBeyondItsExpiry(t *testing.T) {
	v := newVerifier(t, Config{Secrets: []string{secret}})
	token := hs256(t, `{"role":"anon","exp":1800000002}`)
	if _, err := v.Verify(token, now()); err != nil {
		t.Fatalf("Verify: %v", err)
	}
	if got := refused(t, v, token, now().Add(2*time.Second)).text; got != "Token has expired 0 seconds ago" {
		t.Errorf("two seconds later: %q", got)
	}
}

func TestVerifyTakesATokenOnceItsTimeHasCome(t *testing.T) {
	v := newVerifier(t, Config{Secrets: []string{secret}})
	token := hs256(t, `{"role":"anon","exp":1800003600,"nbf":1800000002}`)
	if got := refused(t, v, token, now().Add(time.Second)).text; got != "Token is not valid before 1 seconds from now" {
		t.Errorf("a second too early: %q", got)
	}
	if _, err := v.Verify(token, now().Add(2*time.Second)); err != nil {
		t.Errorf("at its time: %v", err)
	}
}

func TestVerifyTriesAllSecrets(t *testing.T) {
	token := hs256(t, `{"role":"anon","exp":1800003600}`)
	if _, err := newVerifier(t, Config{Secrets: []string{"the newest", secret}}).Verify(token, now()); err != nil {
		t.Errorf("token of the older secret: %v", err)
	}
	if got := refused(t, newVerifier(t, Config{Secrets: []string{"the newest"}}), token, now()).text; got != textSignature {
		t.Errorf("token of a withdrawn secret: %q", got)
	}
}

func TestVerifyChecksAudienceAndIssuerWhenAsked(t *testing.T) {
	for _, c := range []struct {
		claims string
		want   string
	}{
		{`"aud":"app","iss":"me"`, ""},
		{`"aud":["x","app"],"iss":"me"`, ""},
		{`"aud":["x"],"iss":"me"`, "Claim `aud` does not name the expected audience"},
		{`"iss":"me"`, "Claim `aud` does not name the expected audience"},
		{`"aud":"app","iss":"you"`, "Claim `iss` does not name the expected issuer"},
		{`"aud":"app"`, "Claim `iss` does not name the expected issuer"},
	} {
		v := newVerifier(t, Config{Secrets: []string{secret}, Audience: "app", Issuer: "me"})
		_, err := v.Verify(hs256(t, `{"role":"anon","exp":1800003600,`+c.claims+`}`), now())
		if (err == nil) != (c.want == "") || err != nil && err.Error() != c.want {
			t.Errorf("claims %s: %v; want %q", c.claims, err, c.want)
		}
	}
}

func TestVerifyKnowsOpaqueKeys(t *testing.T) {
	v := newVerifier(t, Config{APIKeys: map[string]string{"sb_publishable_x": "anon", "sb_secret_y": "service_role"}})
	for key, role := range map[string]string{"sb_publishable_x": "anon", " sb_secret_y\n": "service_role"} {
		c, err := v.Verify(key, now())
		if err != nil || c.Role != role || c.Expires.Unix() != latest || string(c.Raw) != `{"role":"`+role+`"}` {
			t.Errorf("Verify(%q) = %+v, %v; want role %s", key, c, err, role)
		}
	}
	if got := refused(t, v, "sb_secret_z", now()).text; got != textMalformed {
		t.Errorf("unknown key: %q", got)
	}
}

func TestInsecureAnonymousMakesEverybodyAnon(t *testing.T) {
	v := newVerifier(t, Config{InsecureAnonymous: true})
	for _, token := range []string{"", "nonsense", hs256(t, `{"role":"service_role","exp":1}`)} {
		if c, err := v.Verify(token, now()); err != nil || c.Role != "anon" || !c.Expires.After(now()) {
			t.Errorf("Verify(%q) = %+v, %v; want anon", token, c, err)
		}
	}
}

func TestTheZeroConfigAcceptsNothing(t *testing.T) {
	v := newVerifier(t, Config{})
	if got := refused(t, v, hs256(t, `{"role":"anon","exp":1800003600}`), now()).text; got != textSigner {
		t.Errorf("refused with %q", got)
	}
	empty := sign(t, jwt.SigningMethodHS256, []byte{}, `{"alg":"HS256"}`, `{"role":"anon","exp":1800003600}`)
	if got := refused(t, v, empty, now()).text; got != textSigner {
		t.Errorf("token signed with nothing refused with %q", got)
	}
}

func TestConfigNamesWhatIsWrong(t *testing.T) {
	_, err := NewVerifier(Config{
		Secrets: []string{"hunter2", "", "-----BEGIN PUBLIC KEY-----\nhunter3"}, JWKS: `{"keys":"hunter4"}`,
		JWKSURL: "file:///etc/passwd", APIKeys: map[string]string{"": "anon"},
	})
	if err == nil {
		t.Fatal("NewVerifier accepted it")
	}
	for _, want := range []string{"secrets: number 2 is empty", "secrets: number 3 is a PEM key", "jwks: ", "jwks_url: ", "api_keys: "} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want it to mention %q", err, want)
		}
	}
	if strings.Contains(err.Error(), "hunter") {
		t.Errorf("the error repeats a secret: %v", err)
	}
}

// TestReadLooksAtNothing but the claims: whoever asks knows that nobody has verified them.
func TestReadLooksAtNothing(t *testing.T) {
	claims := base64.RawURLEncoding.EncodeToString([]byte(`{"role":"member","sub":"u","exp":1}`))
	head := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`))
	got, err := Read(" " + head + "." + claims + ".\n")
	if err != nil || got.Role != "member" || got.Subject != "u" || string(got.Raw) != `{"role":"member","sub":"u","exp":1}` {
		t.Errorf("it reads %+v, %v", got, err)
	}
	if got, err := Read("secret.token.x"); err == nil || err.Error() != "The token provided is not a valid JWT" {
		t.Errorf("of what is no token it reads %+v, %v", got, err)
	}
}
