package subscriber

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"
)

// Listener is told what happens, by one goroutine.
type Listener interface {
	// Joined says that a channel was joined, again after each lost connection.
	Joined(topic string, at Place)
	// Event says what a channel was told.
	Event(Event)
	// Lost says that the connection is lost, or a channel, and when it is tried again.
	Lost(why error, again time.Duration)
}

// Event is what a channel was told.
type Event struct {
	Topic   string // without "realtime:"
	Name    string // as postgres_changes, broadcast, presence_diff, system
	Payload []byte // a JSON value
	At      Place  // of a row change, and of a system event that says where rows go on; else zero
}

// Refused means that a server does not let the subscriber in. To try again is of no use.
type Refused struct {
	Topic  string // "" for the connection
	Reason string
	Code   string // of the reason, if it has one
	Fix    string // SQL that mends it, if there is one
}

func (r *Refused) Error() string {
	text := "connect: " + r.Reason
	if r.Topic != "" {
		text = fmt.Sprintf("join %s: %s", r.Topic, r.Reason)
	}
	if r.Fix != "" {
		text += "\nto mend it: " + r.Fix
	}
	return text
}

// Subscriber follows channels.
type Subscriber struct {
	config   Config
	address  *url.URL
	listener Listener
	timing   timing
	places   []Place // by channel: where it has come to
	joined   bool    // all channels were joined once
}

// New returns a subscriber. An error is about the config.
func New(c Config, l Listener) (*Subscriber, error) {
	address, err := c.address()
	if err != nil {
		return nil, err
	}
	if len(c.Channels) == 0 {
		return nil, errors.New("want a channel to follow")
	}
	s := &Subscriber{config: c, address: address, listener: l, timing: defaultTiming()}
	for _, channel := range c.Channels {
		s.places = append(s.places, channel.From)
	}
	return s, nil
}

// Run follows the channels until ctx is done, for which it returns nil. It ends with an error
// if the server cannot be reached at first, or with *Refused. A connection that is lost later
// is made again.
func (s *Subscriber) Run(ctx context.Context) error {
	pause := s.timing.retryFirst
	for {
		began := time.Now()
		err := s.visit(ctx)
		var refused *Refused
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &refused), !s.joined:
			return err
		case time.Since(began) > s.timing.retryMost:
			pause = s.timing.retryFirst
		}
		s.listener.Lost(err, pause)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		pause = min(2*pause, s.timing.retryMost)
	}
}

// Place is where the row changes of a channel have come to, the zero Place if it is not
// known. It is for when Run has returned.
func (s *Subscriber) Place(channel int) Place { return s.places[channel] }
