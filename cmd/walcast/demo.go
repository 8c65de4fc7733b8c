package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/websocket"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"walcast/internal/devdb"
)

//go:embed demo.sql
var demoSchema string

// Channel ids of the demo: it subscribes to one, and writes to the other in
// turn to show that it stays away.
const (
	demoChannel  = 42
	otherChannel = 7
)

// createDemo makes roles, tables, policies and publication.
func createDemo(ctx context.Context, dsn string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return fmt.Errorf("connect to the private Postgres: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := devdb.CreateSupabaseRoles(ctx, conn); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, demoSchema); err != nil {
		return fmt.Errorf("create demo tables: %w", err)
	}
	return nil
}

// demo is a writer and a subscriber that show dev at work.
type demo struct {
	url, key string // as the banner has them
	database string
	out      io.Writer
}

// runDemo subscribes, then inserts a row every second, until ctx is done.
func runDemo(ctx context.Context, d demo) error {
	socket, err := d.subscribe(ctx)
	if err != nil {
		return quiet(ctx, err)
	}
	group, running := errgroup.WithContext(ctx)
	group.Go(func() error { return quiet(ctx, d.print(socket)) })
	group.Go(func() error { return quiet(ctx, d.write(running, socket)) })
	group.Go(func() error {
		<-running.Done()
		return socket.Close() // ends the reader
	})
	return group.Wait()
}

// quiet returns no error once ctx is done: the stop is the reason for it then. It
// has to be the ctx that the stop ends: one derived from it is done a moment
// later, when the server may have closed the socket already.
func quiet(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// demoFrame is a frame of vsn 1.0.0.
type demoFrame struct {
	JoinRef string          `json:"join_ref,omitempty"`
	Ref     string          `json:"ref,omitempty"`
	Topic   string          `json:"topic"`
	Event   string          `json:"event"`
	Payload json.RawMessage `json:"payload"`
}

// subscribe opens a socket and joins a channel, as supabase-js does.
func (d demo) subscribe(ctx context.Context) (*websocket.Conn, error) {
	address := strings.Replace(d.url, "http", "ws", 1) + "/realtime/v1/websocket?vsn=1.0.0&apikey=" + url.QueryEscape(d.key)
	socket, response, err := websocket.DefaultDialer.DialContext(ctx, address, nil)
	if err != nil {
		if response != nil {
			return nil, fmt.Errorf("open the demo's WebSocket: %w (%s)", err, response.Status)
		}
		return nil, fmt.Errorf("open the demo's WebSocket: %w", err)
	}
	join := fmt.Sprintf(`{"config":{"postgres_changes":[{"event":"*","schema":"public","table":"messages","filter":"channel_id=eq.%d"}]}}`, demoChannel)
	err = socket.WriteJSON(demoFrame{JoinRef: "1", Ref: "1", Topic: "realtime:demo", Event: "phx_join", Payload: json.RawMessage(join)})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("join the demo's channel: %w", err), socket.Close())
	}
	if err := armed(socket); err != nil {
		return nil, errors.Join(err, socket.Close())
	}
	fmt.Fprintf(d.out, "demo: subscribed to messages with channel_id=eq.%d; a row goes to %d and %d in turn\n", demoChannel, demoChannel, otherChannel)
	return socket, nil
}

// armed waits until the server says that changes will come.
func armed(socket *websocket.Conn) error {
	for {
		var f demoFrame
		if err := socket.ReadJSON(&f); err != nil {
			return fmt.Errorf("read the demo's WebSocket: %w", err)
		}
		if err := refused(f); err != nil {
			return err
		}
		if f.Event == "system" && bytes.Contains(f.Payload, []byte("Subscribed to PostgreSQL")) {
			return nil
		}
	}
}

// print shows what arrives until the socket ends.
func (d demo) print(socket *websocket.Conn) error {
	for {
		var f demoFrame
		if err := socket.ReadJSON(&f); err != nil {
			return fmt.Errorf("read the demo's WebSocket: %w", err)
		}
		if f.Event == "postgres_changes" {
			d.printChange(f.Payload)
			continue
		}
		if err := refused(f); err != nil {
			return err
		}
	}
}

// refused is the error that a frame tells of.
func refused(f demoFrame) error {
	var answer struct {
		Status string `json:"status"`
	}
	switch f.Event {
	case "phx_close", "phx_error":
	case "phx_reply", "system":
		if err := json.Unmarshal(f.Payload, &answer); err == nil && answer.Status != "error" {
			return nil
		}
	default:
		return nil
	}
	return fmt.Errorf("the demo's channel ended: %s %s", f.Event, f.Payload)
}

func (d demo) printChange(payload json.RawMessage) {
	var change struct {
		Data struct {
			Type   string `json:"type"`
			Record struct {
				ID        int64     `json:"id"`
				ChannelID int64     `json:"channel_id"`
				Body      string    `json:"body"`
				SentAt    time.Time `json:"sent_at"`
			} `json:"record"`
		} `json:"data"`
	}
	if err := json.Unmarshal(payload, &change); err != nil {
		fmt.Fprintf(d.out, "demo: unreadable change: %v\n", err)
		return
	}
	r := change.Data.Record
	fmt.Fprintf(d.out, "demo: <- %-6s id=%d channel_id=%d %q  %.1f ms after the insert began\n",
		change.Data.Type, r.ID, r.ChannelID, r.Body, float64(time.Since(r.SentAt).Microseconds())/1000)
}

// write inserts every second and keeps the socket's heartbeat.
func (d demo) write(ctx context.Context, socket *websocket.Conn) error {
	conn, err := pgx.Connect(ctx, d.database)
	if err != nil {
		return fmt.Errorf("connect the demo's writer: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for n := 1; ; n++ {
		channel := demoChannel
		if n%2 == 0 {
			channel = otherChannel
		}
		body := fmt.Sprintf("message %d", n)
		fmt.Fprintf(d.out, "demo: -> insert channel_id=%d %q\n", channel, body)
		if _, err := conn.Exec(ctx, `insert into messages (channel_id, author, body) values ($1, 'demo', $2)`, channel, body); err != nil {
			return fmt.Errorf("insert the demo's row: %w", err)
		}
		if n%25 == 0 {
			fmt.Fprintf(d.out, "demo: the page is at %s\n", d.url) // the banner has scrolled away
			heartbeat := demoFrame{Ref: "hb", Topic: "phoenix", Event: "heartbeat", Payload: json.RawMessage(`{}`)}
			if err := socket.WriteJSON(heartbeat); err != nil {
				return fmt.Errorf("send the demo's heartbeat: %w", err)
			}
		}
		select {
		case <-second.C:
		case <-ctx.Done():
			return nil
		}
	}
}
