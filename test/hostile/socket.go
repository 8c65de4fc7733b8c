package hostile

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"walcast/test/program"
)

// handshakeLimit is for a server that is busy with others.
const handshakeLimit = 30 * time.Second

// caller says as which user to connect, and how.
type caller struct {
	address, token, clientID string
	header                   http.Header
	deaf                     bool // reads nothing: has as little room for what comes as may be
	foreign                  bool // comes from another address than the victim, which limits may tell apart
}

// socket is a WebSocket of version 2.0.0. One goroutine reads.
type socket struct {
	conn *websocket.Conn
	free func() bool

	mu  sync.Mutex // of writing
	ref int
}

// frame is one that has come.
type frame struct {
	joinRef, ref any
	topic, event string
	payload      json.RawMessage
}

// dial connects. The socket ends with ctx.
func (c caller) dial(ctx context.Context) (*socket, error) {
	query := url.Values{"apikey": {c.token}, "vsn": {"2.0.0"}}
	if c.clientID != "" {
		query.Set("client_id", c.clientID)
	}
	dialer := websocket.Dialer{HandshakeTimeout: handshakeLimit, NetDialContext: c.connect}
	conn, response, err := dialer.DialContext(ctx, "ws://"+c.address+"/realtime/v1/websocket?"+query.Encode(), c.header)
	if err != nil {
		if response != nil {
			return nil, fmt.Errorf("%w: %s", err, response.Status)
		}
		return nil, err
	}
	s := &socket{conn: conn}
	s.free = context.AfterFunc(ctx, func() { _ = conn.NetConn().Close() })
	return s, nil
}

// connect makes the connection. The kernel takes little of what nobody reads.
func (c caller) connect(ctx context.Context, network, address string) (net.Conn, error) {
	var dialer net.Dialer
	if c.foreign && runtime.GOOS == "linux" { // where all of 127.0.0.0/8 is the machine
		dialer.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 66)}
	}
	conn, err := dialer.DialContext(ctx, network, address)
	if tcp, ok := conn.(*net.TCPConn); ok && c.deaf {
		err = tcp.SetReadBuffer(4096)
	}
	return conn, err
}

func (s *socket) close() {
	s.free()
	_ = s.conn.Close()
}

// next waits for a frame. Binary ones, and those that are none, are empty.
func (s *socket) next() (frame, error) {
	kind, text, err := s.conn.ReadMessage()
	if err != nil {
		return frame{}, err
	}
	var f frame
	if kind == websocket.BinaryMessage {
		return f, nil
	}
	if err := json.Unmarshal(text, &[]any{&f.joinRef, &f.ref, &f.topic, &f.event, &f.payload}); err != nil {
		return f, fmt.Errorf("read frame: %w", err)
	}
	return f, nil
}

// skim is next, but does not read what long frames say.
func (s *socket) skim() (frame, error) {
	const short = 4096
	_, r, err := s.conn.NextReader()
	if err != nil {
		return frame{}, err
	}
	text, err := io.ReadAll(io.LimitReader(r, short))
	if err != nil || len(text) == short {
		_, err = io.Copy(io.Discard, r)
		return frame{event: "something long"}, err
	}
	var f frame
	_ = json.Unmarshal(text, &[]any{&f.joinRef, &f.ref, &f.topic, &f.event, &f.payload}) // a binary one says nothing
	return f, nil
}

// send sends a message and returns its ref.
func (s *socket) send(joinRef any, topic, event string, payload any) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ref++
	ref := strconv.Itoa(s.ref)
	if joinRef == "" {
		joinRef = ref
	}
	text, err := json.Marshal([]any{joinRef, ref, topic, event, payload})
	if err != nil {
		return "", err
	}
	return ref, s.write(websocket.TextMessage, text)
}

// sendRaw sends bytes that need be no message.
func (s *socket) sendRaw(kind int, message []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.write(kind, message)
}

// write is called with mu held.
func (s *socket) write(kind int, message []byte) error {
	_ = s.conn.SetWriteDeadline(time.Now().Add(handshakeLimit))
	return s.conn.WriteMessage(kind, message)
}

// join asks to join a topic; its ref is the channel's join_ref.
func (s *socket) join(topic string, config map[string]any) (string, error) {
	return s.send("", "realtime:"+topic, "phx_join", map[string]any{"config": config})
}

// bindings are the config of a join.
func bindings(all ...map[string]any) map[string]any {
	return map[string]any{"postgres_changes": all, "presence": map[string]any{"enabled": false}}
}

// bind is a binding for what is inserted into a table of public.
func bind(table, filter string) map[string]any {
	b := map[string]any{"event": "INSERT", "schema": "public", "table": table}
	if filter != "" {
		b["filter"] = filter
	}
	return b
}

// snapshot is a binding that begins with the rows that there are.
func snapshot(table, filter string) map[string]any {
	b := bind(table, filter)
	b["event"], b["snapshot"] = "*", true
	return b
}

// heartbeat keeps a session from being idle, until ctx is done.
func (s *socket) heartbeat(ctx context.Context) {
	for program.Wait(ctx, 10*time.Second) {
		if _, err := s.send(nil, "phoenix", "heartbeat", map[string]any{}); err != nil {
			return
		}
	}
}
