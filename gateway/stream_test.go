package gateway

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"walcast/auth"
	"walcast/channels"
	"walcast/protocol"
)

// Admit lets everybody in but to topics that are called like a refusal.
func (s *fakeSession) Admit(_ context.Context, m protocol.Message, wanted channels.Stream) (begin func(), err error) {
	if what, refused := strings.CutPrefix(m.Topic, protocol.TopicPrefix+"refused/"); refused {
		code, text, _ := strings.Cut(what, "/")
		return nil, protocol.Refusal{Code: code, Text: text}
	}
	from := wanted.Resume.From
	if from == "" {
		from = "1/1:1"
	}
	return func() { s.out.Push(s.id.Version.Joined(m, m.JoinRef, from, m.Payload)) }, nil
}

// Pulse says where everybody is.
func (s *fakeSession) Pulse() { s.out.Push(protocol.StreamAlive("2/2:2")) }

// stream is an event stream as a client reads it.
type stream struct {
	*http.Response
	conn  net.Conn
	lines *bufio.Reader
}

const oneTopic = "/realtime/v1/sse?topic=room&apikey="

// read asks for an event stream, or whatever is answered; it is closed when the
// test ends.
func (r *running) read(t testing.TB, method, path string, headers map[string]string) *stream {
	t.Helper()
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	req, err := http.NewRequest(method, "http://"+r.addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	if err := req.Write(conn); err != nil {
		t.Fatal(err)
	}
	conn.SetReadDeadline(time.Now().Add(patience))
	resp, err := http.ReadResponse(bufio.NewReader(conn), req)
	if err != nil {
		t.Fatal(err)
	}
	return &stream{Response: resp, conn: conn, lines: bufio.NewReader(resp.Body)}
}

// block reads the lines up to the next empty one, which it leaves out.
func (s *stream) block(t testing.TB) string {
	t.Helper()
	s.conn.SetReadDeadline(time.Now().Add(patience))
	var b strings.Builder
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			t.Fatalf("stream ends: %v, after %q", err, b.String())
		}
		if line == "\n" {
			return b.String()
		}
		b.WriteString(line)
	}
}

// rest reads to the end of the stream.
func (s *stream) rest(t testing.TB) string {
	t.Helper()
	s.conn.SetReadDeadline(time.Now().Add(patience))
	text, err := io.ReadAll(s.lines)
	if err != nil {
		t.Fatalf("stream does not end: %v, after %.200q", err, text)
	}
	return string(text)
}

// opened reads what every stream begins with.
func (s *stream) opened(t testing.TB) string {
	t.Helper()
	if s.StatusCode != http.StatusOK {
		t.Fatalf("stream refused: %d %s", s.StatusCode, s.rest(t))
	}
	if head := s.block(t); !regexp.MustCompile(`^retry: [12]\d{3}\n$`).MatchString(head) {
		t.Fatalf("stream begins with %q; want when to come back", head)
	}
	return s.block(t)
}

func TestStreamBeginsWithItsPosition(t *testing.T) {
	r := start(t, nil)
	for _, path := range []string{"/sse", "/realtime/v1/sse"} {
		s := r.read(t, http.MethodGet, path+"?topic=room&table=todos&apikey="+token(t), nil)
		for name, want := range map[string]string{
			"Content-Type": "text/event-stream", "Cache-Control": "no-cache, no-transform",
			"X-Accel-Buffering": "no", "Transfer-Encoding": "", "Content-Length": "",
		} {
			if got := s.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q; want %q", path, name, got, want)
			}
		}
		if s.TransferEncoding != nil || !s.Close {
			t.Errorf("%s: transfer encoding %v, close %t; want bytes until the connection ends", path, s.TransferEncoding, s.Close)
		}
		want := "event: phx_reply\nid: 1/1:1\ndata: " + `{"status":"ok","response":{"config":{"private":false,"presence":{"enabled":false},` +
			`"postgres_changes":[{"schema":"public","table":"todos"}]}}}` + "\n"
		if got := s.opened(t); got != want {
			t.Errorf("%s: first event is %q; want %q", path, got, want)
		}
	}
	if got := r.sample(t, `walcast_gateway_opened_total{version="sse"}`); got != 2 {
		t.Errorf("counted %v streams; want 2", got)
	}
}

func TestStreamGoesOnFromTheLastEvent(t *testing.T) {
	r := start(t, nil)
	for name, c := range map[string]struct{ query, header, want string }{
		"by header":           {"", "7/7:7", "7/7:7"},
		"by query":            {"&last_event_id=8%2F8:8", "", "8/8:8"},
		"the header is newer": {"&last_event_id=8%2F8:8", "9/9:9", "9/9:9"},
		"neither":             {"", "", "1/1:1"},
		"garbage is for those who know positions": {"&last_event_id=garbage", "", "garbage"},
	} {
		headers := map[string]string{}
		if c.header != "" {
			headers["Last-Event-ID"] = c.header
		}
		if got := r.read(t, http.MethodGet, oneTopic+token(t)+c.query, headers).opened(t); !strings.Contains(got, "\nid: "+c.want+"\n") {
			t.Errorf("%s: first event is %q; want id %s", name, got, c.want)
		}
	}
}

func TestStreamTakesTokensFromWhereClientsCanPutThem(t *testing.T) {
	r := start(t, nil)
	good, bad := token(t), "nonsense"
	for name, c := range map[string]struct {
		query   string
		headers map[string]string
		status  int
	}{
		"query":                        {"&apikey=" + good, nil, 200},
		"bearer":                       {"", map[string]string{"Authorization": "Bearer " + good}, 200},
		"bearer over apikey":           {"&apikey=" + bad, map[string]string{"Authorization": "bearer " + good, "Apikey": bad}, 200},
		"bad bearer over apikey":       {"&apikey=" + good, map[string]string{"Authorization": "Bearer " + bad}, 401},
		"basic is no token":            {"&apikey=" + good, map[string]string{"Authorization": "Basic eDp5"}, 401},
		"apikey header":                {"", map[string]string{"Apikey": good}, 200},
		"x-api-key, as for WebSockets": {"", map[string]string{"X-Api-Key": good}, 200},
		"cookie":                       {"", map[string]string{"Cookie": "other=1; apikey=" + good}, 200},
		"query over cookie":            {"&apikey=" + bad, map[string]string{"Cookie": "apikey=" + good}, 401},
		"bad cookie":                   {"", map[string]string{"Cookie": "apikey=" + bad}, 401},
		"none":                         {"", nil, 401},
		"expired":                      {"&apikey=" + sign(t, jwt.MapClaims{"role": "anon", "exp": time.Now().Add(-time.Hour).Unix()}), nil, 401},
	} {
		s := r.read(t, http.MethodGet, "/sse?topic=room"+c.query, c.headers)
		if s.StatusCode != c.status {
			t.Errorf("%s: status %d; want %d", name, s.StatusCode, c.status)
		}
		if c.status == 401 && !strings.HasPrefix(s.rest(t), `{"error":"`) {
			t.Errorf("%s: refused without a reason", name)
		}
		s.conn.Close()
	}
}

func TestStreamIsRefusedBeforeItBegins(t *testing.T) {
	r := start(t, func(c *Config) { c.Origins = []string{"https://app.example"} })
	refused := func(r protocol.Refusal) string {
		return "/sse?apikey=" + token(t) + "&topic=" + url.QueryEscape("refused/"+r.Code+"/"+r.Text)
	}
	away, public, many := protocol.RefuseDatabaseAway, protocol.RefusePrivateOnly, protocol.RefuseTooManyChannels
	for name, c := range map[string]struct {
		method, path, origin string
		status               int
		error                string
	}{
		"HEAD":         {"HEAD", oneTopic + token(t), "", 405, ""},
		"POST":         {"POST", oneTopic + token(t), "", 405, "An event stream is read with GET"},
		"origin":       {"GET", oneTopic + token(t), "https://evil.example", 403, "Origin is not allowed"},
		"parameter":    {"GET", oneTopic + token(t) + "&private=yes", "", 400, `private must be true or false, got: \"yes\"`},
		"bad filter":   {"GET", refused(protocol.Refusal{Text: "Error parsing `filter` params"}), "", 400, "Error parsing `filter` params"},
		"not readable": {"GET", refused(protocol.Refusal{Code: protocol.CodeUnauthorized, Text: "You do not have permissions"}), "", 403, "Unauthorized: You do not have permissions"},
		"public":       {"GET", refused(public), "", 403, public.Error()},
		"expired":      {"GET", refused(protocol.Refusal{Code: auth.CodeInvalid, Text: "Token has expired"}), "", 401, "InvalidJWTToken: Token has expired"},
		"too many":     {"GET", refused(many), "", 429, many.Error()},
		"away":         {"GET", refused(away), "", 503, away.Error()},
	} {
		headers := map[string]string{}
		if c.origin != "" {
			headers["Origin"] = c.origin
		}
		s := r.read(t, c.method, c.path, headers)
		body := s.rest(t)
		if s.StatusCode != c.status || c.error != "" && body != `{"error":"`+c.error+`"}` {
			t.Errorf("%s: %d %s; want %d %s", name, s.StatusCode, body, c.status, c.error)
		}
		if allow := s.Header.Get("Allow"); (c.status == 405) != (allow == "GET") {
			t.Errorf("%s: Allow is %q", name, allow)
		}
	}
	if n := r.hub.size(); n != 0 {
		t.Errorf("%d conversations are left of refused streams", n)
	}
}

func TestStreamsCountAsSessions(t *testing.T) {
	r := start(t, func(c *Config) { c.MaxSessions = 2 })
	r.dial(t)
	s := r.read(t, http.MethodGet, oneTopic+token(t), nil)
	s.opened(t)
	if third := r.read(t, http.MethodGet, oneTopic+token(t), nil); third.StatusCode != 429 || third.Header.Get("Retry-After") == "" {
		t.Errorf("third session: %d %v; want 429 and when to come back", third.StatusCode, third.Header)
	}
	s.conn.Close()
	eventually(t, "session gone", func() bool { return r.hub.size() == 1 })
	eventually(t, "session counted", func() bool { return r.sample(t, `walcast_gateway_closed_total{reason="gone"}`) == 1 })
	r.read(t, http.MethodGet, oneTopic+token(t), nil).opened(t)
}

func TestStreamLastsThoughNothingArrives(t *testing.T) {
	r := start(t, func(c *Config) { c.IdleTimeout, c.PingInterval = 300*time.Millisecond, 100*time.Millisecond })
	s := r.read(t, http.MethodGet, oneTopic+token(t), nil)
	s.opened(t)
	for range 10 { // three times the idle timeout
		if got := s.block(t); got != ":\nid: 2/2:2\n" {
			t.Fatalf("read %q; want a sign of life with the position", got)
		}
	}
}

func TestStreamWhoseClientTalksIsClosed(t *testing.T) {
	r := start(t, nil)
	s := r.read(t, http.MethodGet, oneTopic+token(t), nil)
	s.opened(t)
	if _, err := s.conn.Write(make([]byte, maxUnasked)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "session gone", func() bool { return r.hub.size() == 0 })
}

func TestStreamIsToldThatTheServerStops(t *testing.T) {
	r := start(t, nil)
	s := r.read(t, http.MethodGet, oneTopic+token(t), nil)
	s.opened(t)
	r.stop()
	want := regexp.MustCompile(`^retry: [12]\d{3}\nevent: system\ndata: ` +
		`{"message":"server is stopping","status":"error","extension":"system","code":1012}` + "\n\n$")
	if got := s.rest(t); !want.MatchString(got) {
		t.Errorf("last words are %q; want %s", got, want)
	}
}

func TestStreamWithoutNamesIsToldThatTheServerStops(t *testing.T) {
	r := start(t, nil)
	s := r.read(t, http.MethodGet, oneTopic+token(t)+"&named=false", nil)
	s.opened(t)
	r.stop()
	want := regexp.MustCompile(`^retry: [12]\d{3}\ndata: {"event":"system","payload":` +
		`{"message":"server is stopping","status":"error","extension":"system","code":1012}}` + "\n\n$")
	if got := s.rest(t); !want.MatchString(got) {
		t.Errorf("last words are %q; want %s", got, want)
	}
}

func TestStreamEndsWhenTheHubSaysSo(t *testing.T) {
	r := start(t, func(c *Config) { c.CloseTimeout = patience })
	r.hub.opened = make(chan *fakeSession, 1)
	s := r.read(t, http.MethodGet, oneTopic+token(t), nil)
	s.opened(t)
	opened := <-r.hub.opened
	opened.out.Push(protocol.SSE.Push("", "", "realtime:room", protocol.EventSystem, []byte(`{"message":"Token has expired"}`)))
	opened.out.Close(protocol.CloseNormal, "")
	if got := s.rest(t); !strings.HasPrefix(got, "event: system\ndata: {\"message\":\"Token has expired\"}\n\nretry: ") {
		t.Errorf("last words are %q; want the system event and when to come back", got)
	}
	s.conn.Close()
	eventually(t, "session gone", func() bool { return r.hub.size() == 0 })
	eventually(t, "counted as channels", func() bool { return r.sample(t, `walcast_gateway_closed_total{reason="channels"}`) == 1 })
}

func TestStreamThatIsReadTooSlowlyIsClosedAfterWholeEvents(t *testing.T) {
	r := start(t, func(c *Config) { c.QueueBytes, c.CloseTimeout = 256<<10, patience })
	s := r.read(t, http.MethodGet, oneTopic+token(t), nil)
	s.opened(t)
	shrink(t, r)
	pad := strings.Repeat("x", 50_000)
	sent := 0
	for r.sample(t, "walcast_gateway_queue_overflows_total") == 0 {
		r.hub.say(protocol.SSE.Push("", "", "realtime:room", "e", []byte(`"`+pad+`"`)))
		if sent++; sent > 10_000 {
			t.Fatal("the slow stream is still open")
		}
	}
	blocks := strings.Split(strings.TrimSuffix(s.rest(t), "\n\n"), "\n\n")
	for i, b := range blocks[:len(blocks)-1] {
		if b != "event: e\ndata: \""+pad+`"` {
			t.Fatalf("event %d is %.100q", i, b)
		}
	}
	if last := blocks[len(blocks)-1]; !strings.Contains(last, `"client reads too slowly","status":"error","extension":"system","code":1013`) {
		t.Errorf("last words are %q; want why it ends", last)
	}
	s.conn.Close()
	wantLimited(t, r, "queue")
}

func TestStreamCookiesAreForPagesThatAreNamed(t *testing.T) {
	for _, c := range []struct{ origins, allowed, credentials string }{
		{"*", "*", ""},
		{"https://app.example", "https://app.example", "true"},
	} {
		r := start(t, func(c2 *Config) { c2.Origins = []string{c.origins} })
		s := r.read(t, http.MethodGet, "/sse?topic=room", map[string]string{"Origin": "https://app.example", "Cookie": "apikey=" + token(t)})
		h := s.Header
		if h.Get("Access-Control-Allow-Origin") != c.allowed || h.Get("Access-Control-Allow-Credentials") != c.credentials || h.Get("Vary") != "Origin" {
			t.Errorf("origins %s: %v; want %q, %q", c.origins, h, c.allowed, c.credentials)
		}
		preflight := r.read(t, http.MethodOptions, "/sse", map[string]string{"Origin": "https://app.example"})
		if got := preflight.Header.Get("Access-Control-Allow-Headers"); preflight.StatusCode != 204 || !strings.Contains(got, "last-event-id") {
			t.Errorf("preflight: %d, headers %q; want last-event-id allowed", preflight.StatusCode, got)
		}
	}
}

func TestStreamOverTLS(t *testing.T) {
	cert, key := writeCertificate(t, t.TempDir(), 1)
	r := start(t, func(c *Config) { c.TLSCert, c.TLSKey = cert, key })
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+r.addr+oneTopic+token(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	s := &stream{Response: resp, conn: noDeadline{}, lines: bufio.NewReader(resp.Body)}
	if got := s.opened(t); !strings.HasPrefix(got, "event: phx_reply\nid: 1/1:1\n") {
		t.Errorf("first event is %q; want the reply", got)
	}
	r.stop()
	if got := s.rest(t); !strings.Contains(got, `"code":1012}`) {
		t.Errorf("last words are %q; want that the server stops", got)
	}
}

// noDeadline is a connection that the HTTP client has.
type noDeadline struct{ net.Conn }

func (noDeadline) SetReadDeadline(time.Time) error { return nil }
