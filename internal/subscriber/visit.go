package subscriber

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const (
	prefix     = "realtime:" // of topics
	mostAnswer = 4 << 10     // bytes of the answer to a refused handshake that are read
)

// visit is one connection. Run's goroutine reads from it; another one writes once the
// channels have been asked for.
type visit struct {
	*Subscriber
	conn   *websocket.Conn
	isOpen []bool // by channel: it is joined
	isLate []bool // by channel: a snapshot is under way, so that no place counts
}

// visit connects, joins the channels and reads until the connection ends.
func (s *Subscriber) visit(ctx context.Context) error {
	conn, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	v := &visit{Subscriber: s, conn: conn, isOpen: make([]bool, len(s.config.Channels)), isLate: make([]bool, len(s.config.Channels))}
	over := make(chan struct{})
	var beating sync.WaitGroup
	defer beating.Wait()
	defer close(over)
	for i := range s.config.Channels {
		if err := v.push(i, refOf(i), "phx_join", s.config.Channels[i].join(s.places[i])); err != nil {
			return fmt.Errorf("join %s: %w", s.config.Channels[i].Topic, err)
		}
	}
	beating.Go(func() { v.beat(ctx, over) })
	return v.read(ctx)
}

func (s *Subscriber) dial(ctx context.Context) (*websocket.Conn, error) {
	dialer := websocket.Dialer{HandshakeTimeout: s.timing.handshake, Proxy: http.ProxyFromEnvironment}
	header := http.Header{}
	if s.config.Token != "" {
		header.Set("X-Api-Key", s.config.Token) // a URL may be logged on the way
	}
	conn, response, err := dialer.DialContext(ctx, s.address.String(), header)
	switch {
	case err == nil:
		return conn, nil
	case response == nil:
		return nil, fmt.Errorf("connect to %s: %w", s.address.Host, err)
	}
	body, _ := io.ReadAll(io.LimitReader(response.Body, mostAnswer)) // what there is of it
	reason := fmt.Sprintf("%s answers %s %s", s.address.Host, response.Status, bytes.TrimSpace(body))
	if response.StatusCode == http.StatusUnauthorized || response.StatusCode == http.StatusForbidden {
		return nil, &Refused{Reason: reason}
	}
	return nil, fmt.Errorf("connect: %s", reason)
}

func refOf(channel int) string { return strconv.Itoa(channel + 1) }

// push sends a message of a channel.
func (v *visit) push(channel int, ref, event string, payload json.RawMessage) error {
	join := refOf(channel)
	return v.send(frame{joinRef: &join, ref: &ref, topic: prefix + v.config.Channels[channel].Topic, event: event, payload: payload})
}

func (v *visit) send(f frame) error {
	text, err := f.encode()
	if err != nil {
		return err
	}
	_ = v.conn.SetWriteDeadline(time.Now().Add(v.timing.silence)) // fails only if the connection is closed
	return v.conn.WriteMessage(websocket.TextMessage, text)
}

// askPosition is the ref of the pushes that ask where a channel is.
const askPosition = "position"

// beat keeps the connection, and asks where channels are on which nothing happens, so that
// their places do not grow old. It closes the connection when ctx is done.
func (v *visit) beat(ctx context.Context, over <-chan struct{}) {
	ticker := time.NewTicker(v.timing.heartbeat)
	defer ticker.Stop()
	for ref := "heartbeat"; ; {
		select {
		case <-over:
			return
		case <-ctx.Done():
			_ = v.conn.Close()
			return
		case <-ticker.C:
		}
		err := v.send(frame{ref: &ref, topic: "phoenix", event: "heartbeat", payload: json.RawMessage(`{}`)})
		for i, c := range v.config.Channels {
			if err == nil && len(c.Bindings) > 0 {
				err = v.push(i, askPosition, "position", json.RawMessage(`{}`))
			}
		}
		if err != nil {
			_ = v.conn.Close()
			return
		}
	}
}

// read takes frames until the connection ends, or a channel.
func (v *visit) read(ctx context.Context) error {
	extend := func() { _ = v.conn.SetReadDeadline(time.Now().Add(v.timing.silence)) } // fails only if the connection is closed
	pong := v.conn.PingHandler()
	v.conn.SetPingHandler(func(data string) error {
		extend()
		return pong(data)
	})
	for {
		extend()
		kind, data, err := v.conn.ReadMessage()
		if err != nil {
			return fmt.Errorf("connection lost: %w", err)
		}
		decode := decodeText
		if kind == websocket.BinaryMessage {
			decode = decodeBinary
		}
		f, err := decode(data)
		if err != nil {
			return err
		}
		if err := v.take(f); err != nil || ctx.Err() != nil {
			return err
		}
	}
}

// payload is what of payloads is understood here.
type payload struct {
	Status   string `json:"status"`
	Message  string `json:"message"`
	Code     string `json:"code"`
	Position string `json:"position"`
	History  string `json:"history"`
	Response struct {
		Reason   string `json:"reason"`
		Code     string `json:"code"`
		Fix      string `json:"fix"`
		Position string `json:"position"`
		History  string `json:"history"`
	} `json:"response"`
	Data struct {
		LSN string `json:"lsn"`
		Seq int64  `json:"seq"`
	} `json:"data"`
}

// take takes a frame in. An error ends the connection.
func (v *visit) take(f frame) error {
	channel := -1
	for i := range v.config.Channels {
		if prefix+v.config.Channels[i].Topic == f.topic {
			channel = i
		}
	}
	if channel < 0 {
		return nil // the answer to a heartbeat
	}
	var p payload
	switch f.event {
	case "phx_reply", "system", "postgres_changes", "postgres_commit":
		if err := json.Unmarshal(f.payload, &p); err != nil {
			return fmt.Errorf("read the payload of %s: %w", f.event, err)
		}
	}
	topic := v.config.Channels[channel].Topic
	switch f.event {
	case "phx_reply":
		return v.answered(channel, f, p)
	case "phx_error", "phx_close":
		if !v.isOpen[channel] {
			return nil
		}
		return fmt.Errorf("the server ended %s: %s", topic, f.event)
	}
	v.listener.Event(Event{Topic: topic, Name: f.event, Payload: f.payload, At: v.move(channel, f.event, p)})
	return nil
}

// answered takes in the reply to a push.
func (v *visit) answered(channel int, f frame, p payload) error {
	topic, r := v.config.Channels[channel].Topic, p.Response
	switch {
	case f.ref != nil && *f.ref == askPosition:
		v.reach(channel, Place{r.Position, r.History})
	case f.ref == nil || *f.ref != refOf(channel):
	case p.Status != "ok":
		if v.joined && !isFinal(r.Reason) {
			return errors.New((&Refused{Topic: topic, Reason: r.Reason}).Error())
		}
		return &Refused{topic, r.Reason, r.Code, r.Fix}
	default:
		v.isOpen[channel] = true
		v.reach(channel, Place{r.Position, r.History})
		v.listener.Joined(topic, v.places[channel])
		v.joined = v.joined || allOf(v.isOpen)
	}
	return nil
}

func allOf(all []bool) bool {
	for _, is := range all {
		if !is {
			return false
		}
	}
	return true
}

// isFinal reports whether a join is refused for what does not pass, as a token that has
// expired or a right that is gone.
func isFinal(reason string) bool {
	for _, begin := range []string{"InvalidJWT", "MalformedJWT", "Jwt", "Unauthorized", "PrivateOnly"} {
		if strings.HasPrefix(reason, begin) {
			return true
		}
	}
	return false
}

// reach notes where a channel is, if that is known. A history that is not told is the one before.
func (v *visit) reach(channel int, at Place) {
	if at.Position == "" || v.isLate[channel] {
		return
	}
	if at.History == "" {
		at.History = v.places[channel].History
	}
	v.places[channel] = at
}

// move notes to where an event brings a channel, and returns that; the zero Place if to
// nowhere.
func (v *visit) move(channel int, event string, p payload) Place {
	at := Place{Position: p.Position, History: p.History}
	switch {
	case event == "system" && p.Code == "snapshot_begin":
		v.isLate[channel], v.places[channel] = true, Place{}
		return Place{}
	case event == "system" && p.Code == "snapshot_end":
		v.isLate[channel] = false
	case event == "postgres_changes" && p.Data.LSN != "":
		at.Position = fmt.Sprintf("%s:%d", p.Data.LSN, p.Data.Seq)
	case event == "postgres_changes":
		return Place{}
	}
	if at.Position == "" {
		return Place{}
	}
	v.reach(channel, at)
	return v.places[channel]
}
