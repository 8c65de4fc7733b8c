package hostile

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"walcast/test/program"
)

// unreadEventStreams opens event streams for large rows and reads none.
type unreadEventStreams struct{}

func (unreadEventStreams) world() []string { return nil }

func (unreadEventStreams) run(ctx context.Context, a *attacker) error {
	c := a.caller()
	c.deaf = true
	return beside(ctx, func(ctx context.Context) error {
		return a.writing(ctx, 100*time.Millisecond, `insert into posts (body) values ($1)`, strings.Repeat("e", 100_000))
	}, func(ctx context.Context) error {
		return a.crowd(ctx, 300, func(ctx context.Context, i int) error {
			conn, err := c.connect(ctx, "tcp", a.Address)
			if err != nil {
				return err
			}
			defer func() { _ = conn.Close() }()
			query := url.Values{"apikey": {c.token}, "topic": {fmt.Sprintf("stream%d", i)}, "table": {postsTable}}
			_, err = fmt.Fprintf(conn, "GET /realtime/v1/sse?%s HTTP/1.1\r\nHost: %s\r\n\r\n", query.Encode(), a.Address)
			program.Wait(ctx, 10*time.Second)
			return err
		})
	})
}
