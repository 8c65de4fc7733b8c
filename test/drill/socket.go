package drill

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"github.com/gorilla/websocket"

	"walcast/replication/wal"
)

const (
	heartbeatEvery = 2 * time.Second
	silence        = 7 * time.Second // after which a connection is given up
)

// socketVisit returns what a client does with one WebSocket connection.
func socketVisit(address string) func(context.Context, *client) error {
	return func(ctx context.Context, c *client) error {
		query := url.Values{"apikey": {c.token}, "vsn": {"2.0.0"}}
		if c.kind == remembered {
			query.Set("client_id", c.name)
		}
		dialer := websocket.Dialer{HandshakeTimeout: silence}
		conn, response, err := dialer.DialContext(ctx, "ws://"+address+"/realtime/v1/websocket?"+query.Encode(), nil)
		if err != nil {
			if response != nil {
				return fmt.Errorf("%w: %s", err, response.Status)
			}
			return err
		}
		defer conn.Close()
		v := &visit{client: c, conn: conn}
		return v.stay(ctx)
	}
}

// visit is one connection.
type visit struct {
	*client
	conn *websocket.Conn
}

const topic = "realtime:drill"

func (v *visit) stay(ctx context.Context) error {
	_ = v.conn.SetWriteDeadline(time.Now().Add(silence))
	if err := v.join(); err != nil {
		return err
	}
	over := make(chan struct{})
	sending := make(chan struct{})
	go func() { // from here on the only writer
		defer close(sending)
		v.sendHeartbeats(ctx, over)
	}()
	defer func() {
		close(over)
		<-sending
	}()
	v.extend()
	pong := v.conn.PingHandler()
	v.conn.SetPingHandler(func(data string) error {
		v.extend()
		return pong(data)
	})
	for {
		_, text, err := v.conn.ReadMessage()
		if err != nil {
			return err
		}
		v.extend()
		if err := v.take(text); err != nil {
			return err
		}
	}
}

func (v *visit) extend() { _ = v.conn.SetReadDeadline(time.Now().Add(silence)) }

func (v *visit) join() error {
	from := ""
	if v.kind == names && !v.last.IsZero() {
		from = v.last.String()
	}
	return v.conn.WriteJSON([]any{"1", "1", topic, "phx_join", map[string]any{
		"config": map[string]any{"postgres_changes": v.want.bindings(from)},
	}})
}

// sendHeartbeats sends one now and then, and closes the connection when ctx is done.
func (v *visit) sendHeartbeats(ctx context.Context, over <-chan struct{}) {
	ticker := time.NewTicker(heartbeatEvery)
	defer ticker.Stop()
	for {
		select {
		case <-over:
			return
		case <-ctx.Done():
			_ = v.conn.NetConn().Close()
			return
		case <-ticker.C:
			_ = v.conn.SetWriteDeadline(time.Now().Add(silence))
			if v.conn.WriteMessage(websocket.TextMessage, []byte(`[null,"h","phoenix","heartbeat",{}]`)) != nil {
				_ = v.conn.NetConn().Close()
				return
			}
		}
	}
}

// take notes what a frame says.
func (v *visit) take(text []byte) error {
	var event string
	var ref any
	var payload json.RawMessage
	var about string
	if err := json.Unmarshal(text, &[]any{new(any), &ref, &about, &event, &payload}); err != nil {
		return fmt.Errorf("read frame: %w", err)
	}
	if about != topic {
		return nil
	}
	switch event {
	case "phx_reply":
		return v.answered(payload)
	case "postgres_changes":
		return v.row(payload)
	case "system":
		return v.system(payload)
	case "phx_error", "phx_close":
		return fmt.Errorf("the server says %s", event)
	}
	return nil
}

// answered notes the reply to the join.
func (v *visit) answered(payload []byte) error {
	var p struct {
		Status   string
		Response struct{ Position, Reason string }
	}
	if err := json.Unmarshal(payload, &p); err != nil {
		return fmt.Errorf("read reply: %w", err)
	}
	if p.Status != "ok" {
		v.diary.note(entry{Kind: refused, Text: p.Response.Reason})
		return fmt.Errorf("join refused: %s", p.Response.Reason)
	}
	var at wal.Position
	if p.Response.Position != "" {
		var err error
		if at, err = wal.ParsePosition(p.Response.Position); err != nil {
			return err
		}
		if v.last.IsZero() {
			v.last = at
		}
	}
	v.diary.note(entry{Kind: joined, At: at})
	return nil
}
