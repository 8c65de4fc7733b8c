package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"walcast/auth"
)

const testSecret = "0123456789abcdef0123456789abcdef"

func TestTokenIsGoodForTheServer(t *testing.T) {
	cleared(t)
	t.Setenv("WALCAST_JWT_SECRET", testSecret)
	code, out, errOut := command(t, "token", "--role=authenticated", "--sub=u-1", "--ttl=90m",
		"--claim", "org=5", "--claim", `meta={"a":[1,true]}`, "--claim", "name=a, b=c", "--jwt-audience=app", "--jwt-issuer=us")
	if code != 0 || errOut != "" || strings.Count(out, "\n") != 1 {
		t.Fatalf("token exits %d with %q, %q; want one line", code, out, errOut)
	}
	v, err := auth.NewVerifier(auth.Config{Secrets: []string{testSecret}, Audience: "app", Issuer: "us"})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	claims, err := v.Verify(strings.TrimSpace(out), now)
	if err != nil {
		t.Fatal(err)
	}
	if claims.Role != "authenticated" || claims.Subject != "u-1" {
		t.Errorf("role %q, sub %q", claims.Role, claims.Subject)
	}
	if left := claims.Expires.Sub(now); left < 89*time.Minute || left > 90*time.Minute {
		t.Errorf("expires in %s; want 90m", left)
	}
	var all map[string]any
	if err := json.Unmarshal(claims.Raw, &all); err != nil {
		t.Fatal(err)
	}
	delete(all, "iat")
	delete(all, "exp")
	want := map[string]any{
		"role": "authenticated", "sub": "u-1", "aud": "app", "iss": "us", "org": 5.0, "name": "a, b=c",
		"meta": map[string]any{"a": []any{1.0, true}},
	}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Errorf("claims differ (-want +got):\n%s", diff)
	}
	if _, err := v.Verify(strings.TrimSpace(out), now.Add(91*time.Minute)); err == nil {
		t.Error("the token is good after its time")
	}
}

func TestTokenReadsTheServersFile(t *testing.T) {
	cleared(t)
	path := writeFile(t, "jwt: {secret: "+testSecret+"}\nslot: other\nlog-size: 1MiB\n")
	code, out, errOut := command(t, "token", "--config", path, "--sub=x")
	if code != 0 || strings.Count(out, ".") != 2 {
		t.Errorf("token exits %d with %q, %q", code, out, errOut)
	}
}

func TestTokenNamesWhatIsWrong(t *testing.T) {
	cleared(t)
	for want, args := range map[string][]string{
		"--jwt-secret: not set": {},
		"--ttl: want more":      {"--jwt-secret=x", "--ttl=0s"},
		"--claim: want NAME":    {"--jwt-secret=x", "--claim=novalue"},
		"--role: want":          {"--jwt-secret=x", "--role="},
	} {
		code, out, errOut := command(t, append([]string{"token"}, args...)...)
		if code != exitUsage || out != "" || !strings.Contains(errOut, want) {
			t.Errorf("token %v exits %d with %q, %q; want %q", args, code, out, errOut, want)
		}
	}
}
