package gateway

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/goleak"

	"walcast/auth"
	"walcast/channels"
	"walcast/internal/await"
	"walcast/protocol"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testSecret = "a secret of at least 32 characters, for tests"
	patience   = 15 * time.Second // for what must happen
)

// fakeHub is the simplest hub: it answers heartbeats, and says to everybody what
// one of them sends.
type fakeHub struct {
	mu       sync.Mutex
	sessions map[*fakeSession]struct{}
	inOpen   func(*fakeSession) // when not nil, called before open returns
	opened   chan *fakeSession  // when not nil
}

type fakeSession struct {
	hub *fakeHub
	out channels.Outbox
	id  channels.Identity
}

func newFakeHub() *fakeHub { return &fakeHub{sessions: map[*fakeSession]struct{}{}} }

func (h *fakeHub) open(out channels.Outbox, id channels.Identity) conversation {
	s := &fakeSession{hub: h, out: out, id: id}
	h.mu.Lock()
	h.sessions[s] = struct{}{}
	inOpen := h.inOpen
	h.mu.Unlock()
	if inOpen != nil {
		inOpen(s)
	}
	if h.opened != nil {
		h.opened <- s
	}
	return s
}

func (h *fakeHub) say(f *protocol.Frame) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.sessions {
		s.out.Push(f)
	}
}

// disconnect ends every session.
func (h *fakeHub) disconnect() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.sessions {
		s.disconnect()
	}
}

func (s *fakeSession) disconnect() {
	s.out.Close(protocol.CloseNormal, protocol.MessageDisconnected)
}

func (h *fakeHub) size() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.sessions)
}

func (s *fakeSession) Handle(_ context.Context, m protocol.Message) {
	if m.Topic == protocol.TopicPhoenix {
		s.out.Push(s.id.Version.ReplyTo(m, "", protocol.StatusOK, []byte("{}")))
		return
	}
	s.hub.say(s.id.Version.Push("", "", m.Topic, m.Event, m.Payload))
}

func (s *fakeSession) Close() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	delete(s.hub.sessions, s)
}

// running is a gateway that serves on a port of its own.
type running struct {
	*Gateway
	hub  *fakeHub
	addr string
	stop context.CancelFunc
	done chan error
}

// start runs a gateway until the test ends.
func start(t testing.TB, change func(*Config)) *running {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return startOn(t, ln, change)
}

func startOn(t testing.TB, ln net.Listener, change func(*Config)) *running {
	t.Helper()
	c := DefaultConfig()
	if change != nil {
		change(&c)
	}
	v, err := auth.NewVerifier(auth.Config{Secrets: []string{testSecret}})
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	g, err := New(c, new(channels.Hub), v, slog.New(slog.DiscardHandler), registry)
	if err != nil {
		t.Fatal(err)
	}
	p := newFakeHub()
	g.open = p.open
	ctx, stop := context.WithCancel(context.Background())
	r := &running{Gateway: g, hub: p, addr: ln.Addr().String(), stop: stop, done: make(chan error, 1)}
	go func() { r.done <- g.Run(ctx, ln, rest(g, registry)) }()
	t.Cleanup(func() {
		stop()
		if err := <-r.done; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
	})
	return r
}

// rest is what a gateway serves beside its sockets: its metrics, something that
// pages may use, and something that reads bodies.
func rest(g *Gateway, registry *prometheus.Registry) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.Handle("/page", g.CORS(http.HandlerFunc(page)))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { // as the API has it
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte("Not Found"))
	})
	mux.HandleFunc("POST /body", func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	return mux
}

func page(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		http.NotFound(w, r)
	}
}

// token is good for an hour.
func token(t testing.TB) string {
	t.Helper()
	return sign(t, jwt.MapClaims{"role": "anon", "exp": time.Now().Add(time.Hour).Unix()})
}

func sign(t testing.TB, claims jwt.MapClaims) string {
	t.Helper()
	s, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(testSecret))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (r *running) url(t testing.TB) string {
	return "ws://" + r.addr + "/socket/websocket?vsn=2.0.0&apikey=" + token(t)
}

// dial opens a session; it is closed when the test ends.
func (r *running) dial(t testing.TB) *websocket.Conn {
	t.Helper()
	return r.dialWith(t, "", nil)
}

func (r *running) dialWith(t testing.TB, query string, headers http.Header) *websocket.Conn {
	t.Helper()
	conn, resp, err := websocket.DefaultDialer.Dial(r.url(t)+query, headers)
	if err != nil {
		t.Fatalf("dial: %v (%v)", err, resp)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// get asks over plain HTTP and returns status, body and headers.
func (r *running) get(t testing.TB, method, path string) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+r.addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body), resp.Header
}

// sample reads one number from /metrics; 0 when it is not there yet.
func (r *running) sample(t testing.TB, name string) float64 {
	t.Helper()
	_, body, _ := r.get(t, http.MethodGet, "/metrics")
	for line := range strings.Lines(body) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	return 0
}

// eventually waits until ok, for things that have no event to wait for.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	await.True(t, patience, what, ok)
}

func sendText(t testing.TB, c *websocket.Conn, text string) {
	t.Helper()
	if err := c.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		t.Fatalf("send %q: %v", text, err)
	}
}

func wantText(t testing.TB, c *websocket.Conn, want string) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(patience))
	_, got, err := c.ReadMessage()
	if err != nil || string(got) != want {
		t.Fatalf("read = %.200q, %v; want %.200q", got, err, want)
	}
}

// wantClose reads until the server's close frame.
func wantClose(t testing.TB, c *websocket.Conn, code int, reason string) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(patience))
	for {
		_, _, err := c.ReadMessage()
		if err == nil {
			continue
		}
		var closed *websocket.CloseError
		if !errors.As(err, &closed) || closed.Code != code || closed.Text != reason {
			t.Fatalf("closed with %v, want %d %q", err, code, reason)
		}
		return
	}
}
