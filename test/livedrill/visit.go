package livedrill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"walcast/replication/wal"
)

// visit is one connection of a client.
type visit struct {
	*client
	conn *websocket.Conn

	mu     sync.Mutex
	joined []*channel       // those that were joined
	asked  map[string]int64 // when progress was asked, by ref
}

// payload is what of all events is looked at.
type payload struct {
	IDs                                               []int64
	Data                                              rowChange
	Code, Status, Message, Position, Snapshot, Reason string
	Bindings                                          []int64
	Key                                               []string
	XID                                               uint32
	Request                                           string
	Response                                          struct {
		Reason  string
		Changes []struct{ ID int64 } `json:"postgres_changes"`
	}
}

// stay reads until the connection ends.
func (v *visit) stay(ctx context.Context) error {
	_ = v.conn.SetWriteDeadline(time.Now().Add(silence))
	for i, ch := range v.channels {
		ref := strconv.Itoa(i + 1)
		join := map[string]any{"config": map[string]any{"postgres_changes": ch.bindings()}}
		v.notes.lines.Note("joins %s as %s with %+v", ch.topic, v.by.text(), ch.bindings())
		if err := v.conn.WriteJSON([]any{ref, ref, ch.topic, "phx_join", join}); err != nil {
			return err
		}
	}
	over, sending := make(chan struct{}), make(chan struct{})
	go func() { // from here on the only writer
		defer close(sending)
		v.ask(ctx, over)
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

// ask sends heartbeats, and asks now and then how far the channels are. It closes the
// connection when ctx is done.
func (v *visit) ask(ctx context.Context, over <-chan struct{}) {
	ticker := time.NewTicker(300 * time.Millisecond)
	defer ticker.Stop()
	beaten := time.Now()
	for n := 0; ; n++ {
		select {
		case <-over:
			return
		case <-ctx.Done():
			_ = v.conn.NetConn().Close()
			return
		case <-ticker.C:
		}
		_ = v.conn.SetWriteDeadline(time.Now().Add(silence))
		var err error
		if time.Since(beaten) > heartbeatEvery {
			beaten = time.Now()
			err = v.conn.WriteMessage(websocket.TextMessage, []byte(`[null,"h","phoenix","heartbeat",{}]`))
		}
		for _, ch := range v.open() {
			ref := fmt.Sprintf("p%d", n)
			v.noteAsked(ch.topic + ref)
			err = errors.Join(err, v.conn.WriteJSON([]any{v.refOf(ch), ref, ch.topic, "progress", struct{}{}}))
		}
		if err != nil {
			_ = v.conn.NetConn().Close()
			return
		}
	}
}

func (v *visit) refOf(ch *channel) string { return strconv.Itoa(slices.Index(v.channels, ch) + 1) }

// openMost is how many questions a client has open: a server answers none while it cannot ask
// Postgres, and takes 100 of a channel.
const openMost = 50

// open are the channels that are asked about now.
func (v *visit) open() []*channel {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.asked) >= openMost {
		return nil
	}
	return slices.Clone(v.joined)
}

func (v *visit) noteAsked(ref string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked[ref] = time.Now().UnixNano()
}

func (v *visit) whenAsked(ref string) int64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	defer delete(v.asked, ref)
	return v.asked[ref]
}

// take takes a frame.
func (v *visit) take(text []byte) error {
	var event, topic string
	var ref any
	var raw json.RawMessage
	var p payload
	if err := json.Unmarshal(text, &[]any{new(any), &ref, &topic, &event, &raw}); err != nil {
		return fmt.Errorf("read frame: %w", err)
	}
	i := slices.IndexFunc(v.channels, func(ch *channel) bool { return ch.topic == topic })
	if i < 0 {
		return nil
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return fmt.Errorf("read %s: %w", text, err)
	}
	v.notes.lines.Note("%.400s", text)
	ch := v.channels[i]
	err := v.event(ch, event, ref, p)
	var part *tornError
	if errors.As(err, &part) {
		v.notes.blame(torn, v.name, "%s: %v", ch.topic, err)
	}
	return err
}

// event takes an event of a channel. An error ends the visit.
func (v *visit) event(ch *channel, event string, ref any, p payload) error {
	switch event {
	case "phx_reply":
		return v.answered(ch, ref, p)
	case "postgres_changes":
		for _, id := range p.IDs {
			n, has := ch.byID[id]
			if !has {
				return v.wrong("a row came for binding %d, which there is not", id)
			}
			if err := ch.models[n].take(p.Data); err != nil {
				return v.judged(err)
			}
		}
	case "postgres_commit":
		return v.commit(ch, p)
	case "progress":
		return v.progress(ch, p)
	case "system":
		return v.system(ch, p)
	case "phx_error", "phx_close":
		return fmt.Errorf("the server says %s", event)
	}
	return nil
}

// wrong notes what may never be told.
func (v *visit) wrong(format string, args ...any) error {
	v.notes.blame(other, v.name, format, args...)
	return fmt.Errorf(format, args...)
}

// judged notes an error of a model.
func (v *visit) judged(err error) error {
	var part *tornError
	if err != nil && !errors.As(err, &part) {
		v.notes.blame(other, v.name, "%v", err)
	}
	return err
}

// answered takes the reply to a join or to progress.
func (v *visit) answered(ch *channel, ref any, p payload) error {
	switch {
	case ref != v.refOf(ch) && p.Status != "ok":
		return v.wrong("%v was refused: %s", ref, p.Response.Reason)
	case ref != v.refOf(ch):
		return nil
	case p.Status != "ok":
		v.notes.add("refused")
		return fmt.Errorf("join refused: %s", p.Response.Reason)
	case len(p.Response.Changes) != len(ch.models):
		return v.wrong("the reply names %d bindings; there are %d", len(p.Response.Changes), len(ch.models))
	}
	ch.byID = map[int64]int{}
	for i, b := range p.Response.Changes {
		ch.byID[b.ID] = i
	}
	v.notes.add("joins")
	ch.joined = true
	v.mu.Lock()
	defer v.mu.Unlock()
	v.joined = append(v.joined, ch)
	return nil
}

// commit takes the end of a transaction.
func (v *visit) commit(ch *channel, p payload) error {
	for _, m := range ch.models {
		if err := m.commit(p.XID); err != nil {
			return v.judged(err)
		}
	}
	return v.reach(ch, p.Position)
}

// reach notes a position that the rows of all views of a channel have come to.
func (v *visit) reach(ch *channel, position string) error {
	at, err := wal.ParsePosition(position)
	if err != nil {
		return v.wrong("%v", err)
	}
	for i, m := range ch.models {
		if m.rows != nil && m.next == nil && at.Compare(ch.last[i]) > 0 {
			ch.last[i] = at
		}
	}
	return nil
}

// progress notes what the client holds.
func (v *visit) progress(ch *channel, p payload) error {
	now := time.Now().UnixNano()
	at, err := wal.ParsePosition(p.Position)
	if err != nil {
		return v.wrong("progress: %v", err)
	}
	told, err := wal.ParseSnapshot(p.Snapshot)
	if err != nil {
		return v.wrong("progress: %v", err)
	}
	asked := v.whenAsked(ch.topic + p.Request)
	if asked == 0 {
		return v.wrong("progress %s was answered and not asked for", p.Request)
	}
	for _, m := range ch.models {
		if m.rows == nil || m.next != nil {
			return v.wrong("progress was answered before the end of a snapshot of %s", m.of.Table)
		}
		v.notes.saw(look{client: v.name, by: v.by, of: m.of, asked: asked, answered: now, at: at, told: told, seen: m.seen, rows: m.rows})
	}
	if slices.ContainsFunc(ch.models, func(m *model) bool { return len(m.open) > 0 }) {
		return nil // the position is within a transaction
	}
	return v.reach(ch, p.Position)
}

// system takes a system event.
func (v *visit) system(ch *channel, p payload) error {
	switch {
	case p.Code == "snapshot_begin" || p.Code == "snapshot_end":
		return v.snapshot(ch, p)
	case strings.HasPrefix(p.Message, "resync_required"):
		return v.wrong("a view was told %s", p.Message)
	case p.Status == "error":
		v.notes.add("refused: " + p.Code)
		return fmt.Errorf("a view has ended: %s", p.Message)
	case p.Code == "" || p.Code == "database_away":
		return nil
	}
	v.notes.add("told: " + p.Code)
	if len(ch.models) > 1 { // it may be that one of them has ended
		return fmt.Errorf("some view may have ended: %s", p.Message)
	}
	return nil
}

// snapshot takes the beginning or the end of a snapshot.
func (v *visit) snapshot(ch *channel, p payload) error {
	for _, id := range p.Bindings {
		n, has := ch.byID[id]
		if !has {
			return v.wrong("a snapshot came for binding %d, which there is not", id)
		}
		if p.Code == "snapshot_begin" {
			v.notes.add("snapshots: " + p.Reason)
			ch.models[n].begin(p.Key)
			continue
		}
		seen, err := wal.ParseSnapshot(p.Snapshot)
		if err != nil {
			return v.wrong("snapshot_end: %v", err)
		}
		if err = ch.models[n].end(seen); err != nil {
			return v.judged(err)
		}
		if ch.last[n], err = wal.ParsePosition(p.Position); err != nil {
			return v.wrong("snapshot_end: %v", err)
		}
	}
	return nil
}
