package livedrill

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"time"

	"github.com/gorilla/websocket"

	"walcast/replication/wal"
	"walcast/test/program"
)

// client keeps views, over one connection after the other.
type client struct {
	name    string
	goesOn  bool // it says where it was when it comes back; else it forgets all it had
	random  *rand.Rand
	nap     time.Duration // the longest that it stays away, now and then
	address string
	notes   *notes

	by       subject
	channels []*channel
}

// channel is one that the client joins, with a view of each of some tables.
type channel struct {
	topic  string
	models []*model
	last   []wal.Position // by model: that its rows have come to, zero for none
	byID   map[int64]int  // models by the ids of their bindings
	joined bool
}

const (
	heartbeatEvery = 2 * time.Second
	silence        = 7 * time.Second // after which a connection is given up
)

// draw draws who the client is and what it follows.
func (c *client) draw() {
	c.by, c.channels = pick(c.random, subjects...), nil
	for i := range 1 + c.random.IntN(2) {
		ch := &channel{topic: fmt.Sprintf("realtime:live%d", i)}
		order := c.random.Perm(len(tables))
		for _, t := range order[:1+c.random.IntN(4)/3] {
			ch.models = append(ch.models, &model{of: drawInterest(c.random, tables[t])})
		}
		ch.last = make([]wal.Position, len(ch.models))
		c.channels = append(c.channels, ch)
	}
}

// follow connects again and again until ctx is done.
func (c *client) follow(ctx context.Context) {
	for ctx.Err() == nil {
		if c.channels == nil || !c.goesOn || c.random.IntN(8) == 0 {
			c.draw()
		}
		err := c.visit(ctx)
		c.notes.lines.Note("closed: %v", err)
		for _, ch := range c.channels {
			ch.cut()
		}
		away := upTo(c.random, 400*time.Millisecond)
		if c.random.IntN(25) == 0 {
			away = upTo(c.random, c.nap)
		}
		program.Wait(ctx, away)
	}
}

func (ch *channel) cut() {
	ch.joined = false
	for _, m := range ch.models {
		m.cut()
	}
}

// bindings are those of the channel's join.
func (ch *channel) bindings() (all []binding) {
	for i, m := range ch.models {
		all = append(all, m.of.binding(ch.last[i].Text()))
	}
	return all
}

// visit is what a client does with one connection.
func (c *client) visit(ctx context.Context) error {
	query := url.Values{"apikey": {c.by.token()}, "vsn": {"2.0.0"}}
	dialer := websocket.Dialer{HandshakeTimeout: silence}
	conn, response, err := dialer.DialContext(ctx, "ws://"+c.address+"/realtime/v1/websocket?"+query.Encode(), nil)
	if err != nil {
		if response != nil {
			return fmt.Errorf("%w: %s", err, response.Status)
		}
		return err
	}
	defer conn.Close()
	v := &visit{client: c, conn: conn, asked: map[string]int64{}}
	return v.stay(ctx)
}
