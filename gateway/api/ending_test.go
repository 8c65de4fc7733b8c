package api

import (
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"walcast/channels"
	"walcast/replication"
)

// post sends a body as a role.
func post(t *testing.T, url, role, body string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if role != "" {
		claims := jwt.MapClaims{"role": role, "exp": time.Now().Add(time.Hour).Unix()}
		signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(testSecret))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+signed)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

func TestOnlyServersEndSessionsAndChannels(t *testing.T) {
	s := serve(t, Config{}, &fakeGateway{}, replication.Status{})
	for _, path := range []string{"/api/disconnect", "/realtime/v1/api/unsubscribe"} {
		for _, c := range []struct {
			role, body string
			status     int
		}{
			{"", `{"sub":"ann"}`, 401},
			{"authenticated", `{"sub":"ann"}`, 403},
			{"anon", `nonsense`, 403},
			{"service_role", `{"sub":"ann"}`, 200},
			{"service_role", `{"subject":"ann"}`, 400},
			{"service_role", `{}`, 400},
		} {
			if resp := post(t, s.URL+path, c.role, c.body); resp.StatusCode != c.status {
				t.Errorf("%s by %q with %s = %d; want %d", path, c.role, c.body, resp.StatusCode, c.status)
			}
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestWhoIsMeantIsReadToTheLetter(t *testing.T) {
	id, yes := channels.SessionID(0x1f), true
	for body, want := range map[string]channels.Selection{
		`{"sub":"ann"}`:                              {Sub: "ann"},
		`{"topic":"room","private":true}`:            {Topic: "room", Private: &yes},
		`{"session":"000000000000001f","sub":"ann"}`: {Sub: "ann", Session: &id},
	} {
		if got, err := readSelection([]byte(body)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s = %+v, %v; want %+v", body, got, err, want)
		}
	}
	for body, want := range map[string]string{
		``:                               "the body is not",
		`[]`:                             "the body is not",
		`{"sub":1}`:                      "the body is not",
		`{"Subject":"ann"}`:              `unknown field "Subject"`,
		`{"sub":"ann"} {}`:               "something after",
		`{"sub":""}`:                     "sub is empty",
		`{"sub":null}`:                   "want one of",
		`{"private":true}`:               "want one of",
		`{"sub":"a","private":true}`:     "private belongs to topic",
		`{"session":"1f"}`:               "16 hexadecimal digits",
		`{"session":"zzzzzzzzzzzzzzzz"}`: "16 hexadecimal digits",
	} {
		if got, err := readSelection([]byte(body)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s = %+v, %v; want an error that says %q", body, got, err, want)
		}
	}
}

func TestEndingsHaveARate(t *testing.T) {
	g := &fakeGateway{}
	s := serve(t, Config{}, g, replication.Status{})
	for i := 0; ; i++ {
		resp := post(t, s.URL+"/api/unsubscribe", "service_role", `{"sub":"ann"}`)
		if resp.StatusCode == http.StatusTooManyRequests && resp.Header.Get("Retry-After") != "" && g.limited[0] == limitEndings {
			break
		}
		if resp.StatusCode != http.StatusOK || i > 100_000 {
			t.Fatalf("request %d = %d", i, resp.StatusCode)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}
