package gateway

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Config of the gateway. DefaultConfig has the defaults; each field names the
// setting that a user writes (where it is one), its unit, and what goes wrong when it is too small or
// too large.
type Config struct {
	// QueueBytes (queue-size) is what one session may have waiting to be sent,
	// in bytes; more closes it with 1013. Too small closes clients on a short
	// stall, too large lets many slow clients fill the memory. One frame above
	// half of it is always taken, whatever its size, and does not count.
	QueueBytes int
	// QueuesBytes (queues-size) is the same of all sessions that are slow together,
	// bytes that several wait for counted once; 0 is no limit. More closes those that
	// have more waiting than others. Too small closes many clients on a short stall.
	QueuesBytes int
	// DropBroadcasts (queue-full) says what a full queue means: instead of
	// closing the session, the broadcasts that wait in it are dropped, and the
	// session is closed only if what is left has no room either. Sessions with a
	// client_id are always closed, as they then lose nothing.
	DropBroadcasts bool
	// MaxFrame (max-message-size) is the largest inbound WebSocket message in
	// bytes; a larger one closes the session with 1009.
	MaxFrame int64
	// Compression (compression) accepts permessage-deflate from clients that
	// offer it. Off by default: it costs processor time and memory.
	Compression bool

	Timeouts
	Limits
	Access
}

// Timeouts of sessions and requests.
type Timeouts struct {
	// IdleTimeout (idle-timeout) closes a session from which nothing arrived for
	// this long, pongs included. Below the clients' heartbeat of 25 s it closes
	// healthy ones.
	IdleTimeout time.Duration
	// PingInterval (ping-interval) is how long a session may be silent before it
	// is pinged, which happens up to a fourth of it later. More than two thirds of
	// IdleTimeout would leave no time for the answer.
	PingInterval time.Duration
	// WriteTimeout (write-timeout) is how long a write may make no headway before
	// the session is given up; each MiB of it adds as much again.
	WriteTimeout time.Duration
	// CloseTimeout is how long a client has to answer our close frame before the
	// connection is cut. It is no setting: only tests change it.
	CloseTimeout time.Duration
	// HeaderTimeout is how long a client may take to send its request's headers,
	// against connections that are only held open; a body may take six times as
	// long. It is no setting: only tests change it.
	HeaderTimeout time.Duration
	// DrainTimeout (drain-timeout) bounds a stop; sessions that have not left by
	// then are cut.
	DrainTimeout time.Duration
}

// Limits of sessions; 0 is no limit.
type Limits struct {
	// MaxSessions (max-sessions) bounds the open sessions.
	MaxSessions int
	// MaxSessionsPerAddress (max-sessions-per-address) bounds them by client
	// address. Offices and mobile networks share addresses.
	MaxSessionsPerAddress int
	// MessagesPerSecond and BytesPerSecond (messages-per-second,
	// bytes-per-second) bound what one session sends. A message above the rate is
	// answered with an error, going on regardless closes the session with 1008.
	// Bursts of one second are free. The defaults are far above what the clients
	// of an app send (cursors are 30 messages a second) and below what is felt by
	// others.
	MessagesPerSecond int
	BytesPerSecond    int
	// JoinsPerSecond (joins-per-second) bounds the joins of one session in the
	// same way. A client that comes back joins all its channels at once: those
	// above the rate are refused, and come when it tries again. By default they
	// are as many as a session may have.
	JoinsPerSecond int
}

// Access says which requests are let in, and how.
type Access struct {
	// Origins (origins) are the allowed values of Origin, "https://app.example",
	// "https://*.example.com"; "*" allows any. Requests without Origin, which is
	// every client but browsers, are not concerned.
	Origins []string
	// TrustedProxies (trusted-proxies) are the networks whose X-Forwarded-For is
	// believed. Without them every client behind a proxy has its address.
	TrustedProxies []netip.Prefix
	// TLSCert and TLSKey (tls-cert, tls-key) are PEM files; both or none. Changed
	// files are picked up within ten seconds.
	TLSCert, TLSKey string
}

// DefaultConfig is what serve uses when nothing is set.
func DefaultConfig() Config {
	return Config{
		QueueBytes: 4 << 20, QueuesBytes: 64 << 20, MaxFrame: 5_000_000,
		Timeouts: Timeouts{
			// Upstream's idle timeout is 60 s and fires at 66 s.
			IdleTimeout: 66 * time.Second, PingInterval: 25 * time.Second,
			WriteTimeout: 30 * time.Second, CloseTimeout: 2 * time.Second,
			HeaderTimeout: 10 * time.Second, DrainTimeout: 8 * time.Second,
		},
		Limits: Limits{MessagesPerSecond: 1000, BytesPerSecond: 10_000_000, JoinsPerSecond: 200},
		Access: Access{Origins: []string{"*"}},
	}
}

// Validate names every bad field at once, as the user wrote it.
func (c Config) Validate() error {
	return errors.Join(c.validateSizes(), c.Limits.validate(), c.Timeouts.validate(), c.Access.validate())
}

func (c Config) validateSizes() (err error) {
	if c.QueueBytes < 64<<10 {
		err = errors.Join(err, fmt.Errorf("queue-size: want at least 65536 bytes, got %d", c.QueueBytes))
	}
	if c.QueuesBytes != 0 && c.QueuesBytes < c.QueueBytes {
		err = errors.Join(err, fmt.Errorf("queues-size: want 0 (no limit) or at least queue-size, got %d bytes", c.QueuesBytes))
	}
	if c.MaxFrame < 1024 {
		err = errors.Join(err, fmt.Errorf("max-message-size: want at least 1024 bytes, got %d", c.MaxFrame))
	}
	return err
}

func (l Limits) validate() (err error) {
	limits := []struct {
		name  string
		value int
	}{
		{"max-sessions", l.MaxSessions},
		{"max-sessions-per-address", l.MaxSessionsPerAddress},
		{"messages-per-second", l.MessagesPerSecond},
		{"bytes-per-second", l.BytesPerSecond},
		{"joins-per-second", l.JoinsPerSecond},
	}
	for _, l := range limits {
		if l.value < 0 {
			err = errors.Join(err, fmt.Errorf("%s: want 0 (no limit) or more, got %d", l.name, l.value))
		}
	}
	return err
}

func (t Timeouts) validate() (err error) {
	times := []struct {
		name  string
		value time.Duration
	}{
		{"idle-timeout", t.IdleTimeout},
		{"ping-interval", t.PingInterval},
		{"write-timeout", t.WriteTimeout},
		{"CloseTimeout", t.CloseTimeout},
		{"HeaderTimeout", t.HeaderTimeout},
		{"drain-timeout", t.DrainTimeout},
	}
	for _, one := range times {
		if one.value < 100*time.Millisecond {
			err = errors.Join(err, fmt.Errorf("%s: want at least 100ms, got %s", one.name, one.value))
		}
	}
	if t.PingInterval > t.IdleTimeout*2/3 {
		err = errors.Join(err, fmt.Errorf("ping-interval: want at most two thirds of idle-timeout (%s), got %s", t.IdleTimeout, t.PingInterval))
	}
	return err
}

func (a Access) validate() (err error) {
	if len(a.Origins) == 0 {
		err = errors.Join(err, errors.New(`origins: want at least one, "*" for any`))
	}
	for _, o := range a.Origins {
		if o != "*" && !validOrigin(o) {
			err = errors.Join(err, fmt.Errorf(`origins: want "*" or an origin such as https://app.example or https://*.app.example, got %q`, o))
		}
	}
	if (a.TLSCert == "") != (a.TLSKey == "") {
		err = errors.Join(err, errors.New("tls-cert, tls-key: want both or none"))
	}
	return err
}

// validOrigin accepts scheme://host[:port] where a leading "*." stands for any
// labels. "https://*app.example" would let in https://evilapp.example.
func validOrigin(o string) bool {
	scheme, host, ok := strings.Cut(o, "://")
	host = strings.TrimPrefix(host, "*.")
	return ok && scheme != "" && host != "" && !strings.ContainsAny(host, "/*")
}
