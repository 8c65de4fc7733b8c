package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"walcast/replication/wal"
	"walcast/test/program"
)

const (
	pollEvery = 300 * time.Millisecond // how often a client asks how far it is
	silence   = 30 * time.Second       // after which a connection is given up
	endLimit  = 25 * time.Second       // for coming nearer to the end of what was written
	topic     = "realtime:access"
)

// visit is one connection of a client.
type visit struct {
	*client
	conn    *websocket.Conn
	replies chan wal.Position // how far the channel is; closed with the connection
	err     error             // why the connection ended, once replies is closed
}

// visit connects, joins, and stays for a random time.
func (c *client) visit(ctx context.Context) error {
	query := url.Values{"apikey": {c.token()}, "vsn": {"2.0.0"}}
	if c.back == remembered {
		query.Set("client_id", c.name)
	}
	e := entry{Kind: opened, Subject: c.subject(), Back: c.back}
	if c.back == named {
		e.From = c.last
	}
	c.diary.note(e)
	dialer := websocket.Dialer{HandshakeTimeout: silence}
	conn, _, err := dialer.DialContext(context.WithoutCancel(ctx), "ws://"+c.address+"/realtime/v1/websocket?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	v := &visit{client: c, conn: conn, replies: make(chan wal.Position, 100)}
	join := c.join() // before the reader writes what it is made of
	go v.read()
	defer func() {
		_ = conn.Close()
		for range v.replies { // until the reader has ended
		}
	}()
	if err := v.send("1", "phx_join", join); err != nil {
		return err
	}
	return v.stay(ctx)
}

func (v *visit) send(ref, event string, payload any) error {
	_ = v.conn.SetWriteDeadline(time.Now().Add(silence))
	return v.conn.WriteJSON([]any{"1", ref, topic, event, payload})
}

// stay asks how far the channel is, now and then refreshes the token, and
// leaves after a while: with or without a word.
func (v *visit) stay(ctx context.Context) error {
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	stay := time.NewTimer(time.Second + time.Duration(v.random.Int64N(int64(7*time.Second))))
	defer stay.Stop()
	refresh := time.NewTimer(time.Duration(v.random.Int64N(int64(6 * time.Second))))
	defer refresh.Stop()
	for {
		select {
		case <-ctx.Done():
			return v.finish()
		case _, ok := <-v.replies:
			if !ok {
				return v.err
			}
		case <-poll.C:
			if err := v.send("p", "position", map[string]any{}); err != nil {
				return err
			}
		case <-refresh.C:
			if err := v.refresh(); err != nil {
				return err
			}
		case <-stay.C:
			return v.leave()
		}
	}
}

// refresh sends the other token, and then a request whose answer tells that the
// token has been taken.
func (v *visit) refresh() error {
	v.now = 1 - v.now
	v.diary.note(entry{Kind: refreshed, Subject: v.subject()})
	if err := v.send("t", "access_token", map[string]any{"access_token": v.token()}); err != nil {
		return err
	}
	return v.send(fmt.Sprintf("s%d", v.subject()), "position", map[string]any{})
}

func (v *visit) leave() error {
	if v.random.IntN(3) > 0 {
		return errors.New("dropped")
	}
	if err := v.send("l", "phx_leave", map[string]any{}); err != nil {
		return err
	}
	v.diary.note(entry{Kind: left})
	return errors.New("left")
}

// finish waits until the channel has reached the end of what was written. On a busy
// machine that takes a while, but it goes on.
func (v *visit) finish() error {
	var reached wal.Position
	for end := time.Now().Add(endLimit); time.Now().Before(end); {
		if err := v.send("p", "position", map[string]any{}); err != nil {
			return err
		}
		select {
		case at, ok := <-v.replies:
			if !ok {
				return v.err
			}
			if goal := v.target.Load(); goal != 0 && (at.IsZero() || uint64(at.LSN) >= goal) { // none: nothing that it asked for works
				return errors.New("finished")
			}
			if at.Compare(reached) > 0 {
				reached, end = at, time.Now().Add(endLimit)
			}
			program.Wait(context.Background(), pollEvery/3)
		case <-time.After(endLimit):
		}
	}
	return errors.New(stalled)
}

// stalled is how a connection ends that does not reach the end.
const stalled = "does not reach the end of what was written"

func (v *visit) read() {
	defer close(v.replies)
	for {
		_ = v.conn.SetReadDeadline(time.Now().Add(silence))
		_, text, err := v.conn.ReadMessage()
		if err == nil {
			err = v.take(text)
		}
		if err != nil {
			v.err = err
			return
		}
	}
}

// marks finds the content of rows.
var marks = regexp.MustCompile(`mark-\d+-[a-z]+`)

// take notes what a frame says.
func (v *visit) take(text []byte) error {
	var event, about string
	var ref any
	var payload json.RawMessage
	if err := json.Unmarshal(text, &[]any{new(any), &ref, &about, &event, &payload}); err != nil {
		return fmt.Errorf("read frame: %w", err)
	}
	if found := marks.Find(payload); found != nil && event != "postgres_changes" {
		v.diary.note(entry{Kind: whispered, Text: string(payload)})
	}
	if about != topic {
		return nil
	}
	switch event {
	case "phx_reply":
		return v.answered(fmt.Sprint(ref), payload)
	case "postgres_changes":
		return v.row(payload)
	case "system":
		return v.system(payload)
	case "phx_error", "phx_close":
		return fmt.Errorf("the server says %s", event)
	}
	return nil
}

// answered notes the reply to the join, or to the request that asks how far the
// channel is.
func (v *visit) answered(ref string, payload []byte) error {
	var p struct {
		Status   string
		Response struct{ Position, Reason string }
	}
	if err := json.Unmarshal(payload, &p); err != nil {
		return fmt.Errorf("read reply: %w", err)
	}
	if ref == "l" || ref == "t" {
		return nil
	}
	if p.Status != "ok" {
		return fmt.Errorf("refused: %s", p.Response.Reason)
	}
	var at wal.Position
	if p.Response.Position != "" {
		var err error
		if at, err = wal.ParsePosition(p.Response.Position); err != nil {
			return err
		}
	}
	if ref == "1" {
		if v.last.IsZero() {
			v.last = at
		}
		v.diary.note(entry{Kind: joined, At: at})
		return nil
	}
	if of, ok := strings.CutPrefix(ref, "s"); ok {
		var subject int
		if _, err := fmt.Sscan(of, &subject); err != nil {
			return err
		}
		v.diary.note(entry{Kind: answered, Subject: subject})
	}
	v.advance(at)
	v.diary.note(entry{Kind: progress, At: at})
	select {
	case v.replies <- at:
	default: // nobody waits for it
	}
	return nil
}

func (v *visit) advance(at wal.Position) {
	if at.Compare(v.last) > 0 {
		v.last = at
	}
}

// row notes a row change.
func (v *visit) row(payload []byte) error {
	var p struct{ Data *frame }
	if err := json.Unmarshal(payload, &p); err != nil {
		return fmt.Errorf("read row: %w", err)
	}
	at, err := wal.ParsePosition(fmt.Sprintf("%s:%d", p.Data.LSN, p.Data.Seq))
	if err != nil {
		return err
	}
	v.advance(at)
	v.diary.note(entry{Kind: shown, At: at, Frame: p.Data})
	return nil
}

// withheld are the codes of warnings that say that rows do not come.
var withheld = []string{"policy_raised", "filter_raised", "too_slow", "database_away"}

// system notes what the server says of the bindings.
func (v *visit) system(payload []byte) error {
	var p struct {
		Status, Message, Code, Extension string
		From, Position                   *string
	}
	if err := json.Unmarshal(payload, &p); err != nil {
		return fmt.Errorf("read system event: %w", err)
	}
	switch {
	case strings.HasPrefix(p.Message, "resync_required"):
		e := entry{Kind: resync, Code: p.Code}
		var err1, err2 error
		if p.From != nil {
			e.From, err1 = wal.ParsePosition(*p.From)
		}
		if p.Position != nil {
			e.At, err2 = wal.ParsePosition(*p.Position)
		}
		v.advance(e.At)
		v.diary.note(e)
		return errors.Join(err1, err2)
	case p.Status == "error", slices.Contains(withheld, p.Code):
		v.diary.note(entry{Kind: trouble, Code: p.Code, Text: p.Message})
	case p.Message == "Subscribed to PostgreSQL":
		v.diary.note(entry{Kind: armed})
	}
	return nil
}
