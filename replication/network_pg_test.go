package replication

import (
	"strings"
	"testing"
	"time"
)

// TestReaderNoticesAStalledNetwork loses what the server says, and then what
// either says: our watchdog ends the stream.
func TestReaderNoticesAStalledNetwork(t *testing.T) {
	t.Parallel()
	for name, stalled := range map[string]way{"to us": toClient, "both ways": toClient | toServer} {
		t.Run(name, func(t *testing.T) {
			db := orders(t)
			p := newProxy(t, db)
			r := startReader(t, db, holding(), func(s *setup) {
				s.config.DatabaseURL = p.url(db)
				s.timing.silence = time.Second
			})
			p.silence(stalled)
			db.Exec(`insert into orders values (1, 'meanwhile')`)
			r.until("the stall to be noticed", func() bool { return strings.Contains(r.lines.String(), "reason=stalled") })
			if s := r.reader.Status(); s.Streaming || s.Error == "" {
				t.Errorf("status %+v; want not streaming, with an error", s)
			}
			p.silence(0)
			r.want("INSERT orders 1 meanwhile")
			r.waitStreaming()
		})
	}
}

// TestServerThatHearsNothingOfUsEndsTheStream loses what we say only. What the
// server sends arrives until it loses patience; then nothing may be missing.
func TestServerThatHearsNothingOfUsEndsTheStream(t *testing.T) {
	t.Parallel()
	db := orders(t)
	p := newProxy(t, db)
	r := startReader(t, db, holding(), func(s *setup) {
		s.config.DatabaseURL = p.url(db)
		s.timing.sender = 5 * time.Second
	})
	since := r.reader.Status().Since
	p.silence(toServer)
	db.Exec(`insert into orders values (1, 'heard')`)
	r.want("INSERT orders 1 heard")
	r.until("the server to end the stream", func() bool { return !r.reader.Status().Streaming })
	db.Exec(`insert into orders values (2, 'meanwhile')`)
	p.silence(0)
	r.want("INSERT orders 2 meanwhile")
	r.until("a new stream", func() bool { s := r.reader.Status(); return s.Streaming && s.Since.After(since) })
	if got := r.metric("walcast_replication_reconnects_total", causeNetwork); got < 1 {
		t.Errorf("%v interruptions by the network are counted; want 1", got)
	}
}
