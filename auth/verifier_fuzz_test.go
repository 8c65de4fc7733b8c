package auth

import (
	"errors"
	"strings"
	"testing"
)

func FuzzVerify(f *testing.F) {
	r := newKeyring(f)
	good := hs256(f, `{"role":"anon","exp":1800003600}`)
	for _, seed := range []string{
		good, "", "...", "a.b.c", "%", "%2e%2e", good + ".x", segment(`{"alg":"none"}`) + "." + segment(fine) + ".",
		segment(`{"alg":"ES256","kid":"e"}`) + "." + segment(fine) + ".AAAA",
		segment(`{"alg":"HS256"}`) + "." + segment(`{"exp":1e999}`) + ".AAAA", "sb_secret_y",
	} {
		f.Add(seed)
	}
	v := newVerifier(f, Config{Secrets: []string{secret}, JWKS: r.jwks, APIKeys: map[string]string{"sb_secret_y": "service_role"}})
	f.Fuzz(func(t *testing.T, token string) {
		c, err := v.Verify(token, now())
		var e *Error
		switch {
		case err != nil && (c != nil || !errors.As(err, &e) || e.Text == "" || e.ConnectText() == "" || e.Status() < 400):
			t.Errorf("Verify(%q) = %+v, %#v", token, c, err)
		case err != nil && strings.Contains(err.Error(), secret):
			t.Errorf("Verify(%q) gives the secret away", token)
		case err == nil:
			// No good token can be made but from those above.
			if cleaned, _ := clean(token); cleaned != "sb_secret_y" && !strings.HasPrefix(cleaned, good[:strings.LastIndex(good, ".")]) {
				t.Errorf("Verify(%q) accepted a forged token as %+v", token, c)
			}
		}
	})
}
