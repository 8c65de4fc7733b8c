package gateway

import (
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"walcast/internal/transcript"
)

// differs lists the exchanges where walcast answers otherwise than upstream, by
// section, with the status it gives.
var differs = map[string]int{
	// One project answers on any host name.
	"unknown tenant in Host":       101,
	"unknown tenant and no apikey": 401,
	// No proxy is needed in front, and there are no pages here.
	"gateway path /realtime/v1/websocket": 101,
	"wrong path /":                        404,
	// Not served; no client of upstream uses it.
	"long poll": 404,
	// Malformed tokens are the client's fault, not the server's.
	"apikey is three words":                                401,
	"apikey is three words of base64url that are not JSON": 401,
	"apikey has claims but a header that is not JSON":      401,
	"claims are not JSON":                                  401,
	"claims are an array":                                  401,
	// A token is not good before its time.
	"nbf in the future": 401,
}

// TestHandshakeAsRecorded asks everything that was asked of upstream, and wants
// the same status, type and body.
func TestHandshakeAsRecorded(t *testing.T) {
	// Each comes from another address: nobody is slowed for the failures of others.
	r := start(t, func(c *Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	for i, e := range transcript.ReadExchanges(t, "../testdata/transcripts/01-connect.jsonl", testSecret) {
		t.Run(e.Section, func(t *testing.T) {
			got := r.ask(t, e, fmt.Sprintf("192.0.2.%d", i))
			want := answer{Status: e.Status, Type: e.Headers["content-type"], Body: e.Text()}
			if status, ok := differs[e.Section]; ok {
				want = answer{Status: status, Type: got.Type, Body: got.Body}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s %s (-want +got):\n%s", e.Request.Method, e.Request.Path, diff)
			}
		})
	}
}

type answer struct {
	Status     int
	Type, Body string
}

// ask repeats a recorded request on a connection of its own, as from address.
func (r *running) ask(t *testing.T, e transcript.Exchange, address string) answer {
	t.Helper()
	path := strings.NewReplacer(" ", "%20", "\n", "%0A").Replace(e.Request.Path)
	req, err := http.NewRequestWithContext(t.Context(), e.Request.Method, "http://"+r.addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if e.Request.Upgrade != "" {
		req.Header = http.Header{
			"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
			"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"AAAAAAAAAAAAAAAAAAAAAA=="},
		}
	} else {
		req.Header.Set("Connection", "close")
	}
	for name, value := range e.Request.Headers {
		if name == "Host" {
			req.Host = value
		}
		req.Header.Set(name, value)
	}
	req.Header.Set("X-Forwarded-For", address)
	for _, name := range e.Request.Without {
		req.Header.Del(name)
	}
	resp, err := new(http.Transport).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got := answer{Status: resp.StatusCode, Type: resp.Header.Get("Content-Type")}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		got.Body = string(body)
	}
	return got
}

func TestHandshakeCapturesTheIdentity(t *testing.T) {
	r := start(t, nil)
	r.hub.opened = make(chan *fakeSession, 1)
	for _, test := range []struct {
		name, query, want string
		headers           http.Header
	}{
		{"nothing", "", `2.0.0 "" {}`, nil},
		{"client id", "&client_id=tab-1", `2.0.0 "tab-1" {}`, nil},
		{
			"headers", "", `2.0.0 "" {"x-client-info":"a, b","x-region":"eu"}`,
			http.Header{"X-Client-Info": {"a", "b"}, "X-Region": {"eu"}, "Cookie": {"c=d"}},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			conn := r.dialWith(t, test.query, test.headers)
			defer conn.Close()
			id := (<-r.hub.opened).id
			if got := fmt.Sprintf("%s %q %s", id.Version, id.ClientID, id.Headers); got != test.want {
				t.Errorf("identity = %s; want %s", got, test.want)
			}
			if id.Claims == nil || id.Claims.Role != "anon" || id.Token == "" {
				t.Errorf("claims = %+v, token of %d bytes; want role anon and the token", id.Claims, len(id.Token))
			}
		})
	}
	status, body, _ := r.get(t, "GET", strings.TrimPrefix(r.url(t), "ws://"+r.addr)+"&client_id="+strings.Repeat("x", 129))
	if status != 400 || body != `{"error":"client_id must have at most 128 bytes"}` {
		t.Errorf("long client_id = %d %s; want 400 and why", status, body)
	}
}
