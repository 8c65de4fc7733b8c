package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"walcast/internal/devdb"
	"walcast/internal/subscriber"
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
	listener := &demoListener{demo: d, joined: make(chan struct{})}
	binding := subscriber.Binding{Event: "*", Schema: "public", Table: "messages", Filter: fmt.Sprintf("channel_id=eq.%d", demoChannel)}
	s, err := subscriber.New(subscriber.Config{
		URL: d.url, Token: d.key, Channels: []subscriber.Channel{{Topic: "demo", Bindings: []subscriber.Binding{binding}}},
	}, listener)
	if err != nil {
		return err
	}
	group, running := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := s.Run(running); err != nil {
			return quiet(ctx, fmt.Errorf("subscribe the demo: %w", err))
		}
		return nil
	})
	group.Go(func() error {
		select {
		case <-listener.joined:
			return quiet(ctx, d.write(running))
		case <-running.Done():
			return nil
		}
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

// demoListener prints what the demo's subscriber is told.
type demoListener struct {
	demo
	joined chan struct{} // closed by the first join
	once   sync.Once
}

// Joined implements subscriber.Listener.
func (l *demoListener) Joined(string, subscriber.Place) {
	fmt.Fprintf(l.out, "demo: subscribed to messages with channel_id=eq.%d; a row goes to %d and %d in turn\n", demoChannel, demoChannel, otherChannel)
	l.once.Do(func() { close(l.joined) })
}

// Event implements subscriber.Listener.
func (l *demoListener) Event(e subscriber.Event) {
	if e.Name == "postgres_changes" {
		l.printChange(e.Payload)
	}
}

// Lost implements subscriber.Listener.
func (l *demoListener) Lost(why error, again time.Duration) {
	fmt.Fprintf(l.out, "demo: %v; again in %s\n", why, again)
}

func (d demo) printChange(payload []byte) {
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

// write inserts every second.
func (d demo) write(ctx context.Context) error {
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
		}
		select {
		case <-second.C:
		case <-ctx.Done():
			return nil
		}
	}
}
