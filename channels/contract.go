package channels

import (
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"walcast/auth"
	"walcast/policy"
	"walcast/protocol"
	"walcast/replication"
)

// Outbox is all that a session needs to know of its socket.
type Outbox interface {
	// Push queues a frame. It never blocks; a full outbox ends the session.
	Push(*protocol.Frame)
	// Close sends what is queued, then a close frame, and ends the session.
	Close(code int, reason string)
}

// Identity is what a handshake said.
type Identity struct {
	Version  protocol.Version
	Token    string       // connection token
	Claims   *auth.Claims // of the connection token
	ClientID string       // client_id parameter, "" for none
	Headers  string       // x-* headers as a JSON object, for private channels' policies
}

// Config of the hub.
type Config struct {
	Shards             int // 0: one a core
	MaxChannels        int // per session, 0 is no limit
	MaxChangeBytes     int // a change's encoded size above which values are cut (413)
	PublicationsActive func() bool
}

// Hub owns topics and shards.
type Hub struct{}

// NewHub returns a hub; nothing runs before Run.
func NewHub(c Config, log *replication.Log, tables replication.Catalog, p *policy.Policy, v *auth.Verifier, logger *slog.Logger, reg prometheus.Registerer) *Hub {
	panic("contract")
}

// Run runs the shards until ctx is done.
func (h *Hub) Run(ctx context.Context) error { panic("contract") }

// Open starts a session on an outbox.
func (h *Hub) Open(out Outbox, id Identity) *Session { panic("contract") }

// Session is one client connection's joined topics. Handle and Close belong to
// the goroutine that reads the socket.
type Session struct{}

// Handle acts on one message; replies go to the outbox.
func (s *Session) Handle(ctx context.Context, m protocol.Message) { panic("contract") }

// Close leaves all topics; the outbox is not used afterwards.
func (s *Session) Close() { panic("contract") }
