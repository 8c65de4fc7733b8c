package subscriber

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Config says whom to follow and what.
type Config struct {
	URL      string // of the server, as http://127.0.0.1:4000; https, ws and wss too
	Token    string // or an API key; "" for a server that asks for none
	Channels []Channel
}

// Channel is what is joined.
type Channel struct {
	Topic    string // without "realtime:"
	Private  bool
	Bindings []Binding
	Presence bool
	From     Place // where its row changes go on; zero for now
}

// Binding is row changes that a channel is to get. Empty fields are left out.
type Binding struct {
	Event    string  `json:"event"`
	Schema   string  `json:"schema"`
	Table    string  `json:"table,omitempty"`
	Filter   string  `json:"filter,omitempty"`
	Snapshot bool    `json:"snapshot,omitempty"`
	View     bool    `json:"view,omitempty"`
	Resume   *resume `json:"resume,omitempty"`
}

// Place is up to where row changes have come.
type Place struct {
	Position string // "LSN:index"
	History  string // of which database the position is, "" if that is not known
}

// String is what ParsePlace reads.
func (p Place) String() string {
	if p.History == "" {
		return p.Position
	}
	return p.Position + "@" + p.History
}

// ParsePlace reads a position, with or without its history behind an @.
func ParsePlace(text string) (Place, error) {
	position, history, _ := strings.Cut(text, "@")
	lsn, index, ok := strings.Cut(position, ":")
	if high, low, both := strings.Cut(lsn, "/"); !ok || !both || high == "" || low == "" || index == "" {
		return Place{}, fmt.Errorf("want a position as 16/B374D848:3, got %q", text)
	}
	return Place{position, history}, nil
}

// resume is the key of a binding that says where it goes on. An empty one asks for the
// history of the position where it begins.
type resume struct {
	From    string `json:"from,omitempty"`
	History string `json:"history,omitempty"`
}

// join is the payload of a channel's join that goes on at a place.
func (c *Channel) join(at Place) json.RawMessage {
	type broadcast struct {
		Self bool `json:"self"`
	}
	type presence struct {
		Enabled bool `json:"enabled"`
	}
	type wait struct {
		Wait bool `json:"wait"` // until the bindings are checked: one that does not work refuses the join
	}
	var join struct {
		Config struct {
			Private   bool      `json:"private"`
			Broadcast broadcast `json:"broadcast"`
			Presence  presence  `json:"presence"`
			Changes   []Binding `json:"postgres_changes"`
			Options   wait      `json:"postgres_changes_options"`
		} `json:"config"`
	}
	join.Config.Private, join.Config.Presence.Enabled = c.Private, c.Presence
	join.Config.Changes, join.Config.Options.Wait = []Binding{}, len(c.Bindings) > 0
	for _, b := range c.Bindings {
		b.Resume = &resume{at.Position, at.History}
		join.Config.Changes = append(join.Config.Changes, b)
	}
	payload, err := json.Marshal(join)
	if err != nil {
		panic("encode strings and booleans: " + err.Error()) // cannot be
	}
	return payload
}

// address is where the WebSocket is.
func (c *Config) address() (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(c.URL))
	if err != nil || u.Host == "" { // the error would quote a password
		return nil, errors.New("want the URL of the server as http://127.0.0.1:4000")
	}
	switch u.Scheme {
	case "http", "ws":
		u.Scheme = "ws"
	case "https", "wss":
		u.Scheme = "wss"
	default:
		return nil, fmt.Errorf("want the URL of the server as http://127.0.0.1:4000, got the scheme %q", u.Scheme)
	}
	if path := strings.TrimRight(u.Path, "/"); !strings.HasSuffix(path, "/websocket") {
		u.Path = strings.TrimSuffix(path, "/realtime/v1") + "/realtime/v1/websocket"
	}
	u.RawQuery = url.Values{"vsn": {"2.0.0"}}.Encode()
	return u, nil
}

// timing is how long things take at most; tests shorten it.
type timing struct {
	handshake, heartbeat, silence time.Duration
	retryFirst, retryMost         time.Duration
}

func defaultTiming() timing {
	return timing{
		handshake: 10 * time.Second, heartbeat: 20 * time.Second, silence: 50 * time.Second,
		retryFirst: 200 * time.Millisecond, retryMost: 5 * time.Second,
	}
}
