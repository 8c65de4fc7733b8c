package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"walcast/auth"
	"walcast/channels"
	"walcast/cluster"
	"walcast/gateway"
	"walcast/internal/memory"
	"walcast/policy"
	"walcast/protocol"
	"walcast/replication"
	"walcast/replication/changelog"
)

// Config is everything one project needs. Each field names the setting a user
// writes; those of the packages are described there.
type Config struct {
	ListenConfig
	DatabaseConfig

	// LogicalMessageRoles (logical-message-roles) are the roles that may send to
	// private topics by pg_logical_emit_message. The WAL does not say who did,
	// so that it works only while nobody else may call it. Default none.
	LogicalMessageRoles []string

	// StateDir (state-dir) is the folder that remembers over a restart what clients
	// with a client_id have received, and since when access to tables is as it is; ""
	// remembers nothing.
	StateDir string

	Program

	Cluster     cluster.Config
	Log         changelog.Config
	Replication replication.Config
	Auth        auth.Config
	Channels    channels.Config
	Policy      policy.Config
	Gateway     gateway.Config
}

// ListenConfig is where it is served.
type ListenConfig struct {
	// Listen (listen) is where clients connect, "host:port" or ":port"; port 0
	// picks a free one. Default ":4000".
	Listen string
	// MetricsListen (metrics-listen) is where /metrics is served instead, with what else is
	// for operators, for networks that clients do not reach; "" serves it on Listen.
	MetricsListen string
	// MetricsSecret (metrics-jwt-secret) signs the tokens that /metrics asks for on Listen;
	// "" asks for none.
	MetricsSecret string
}

// Program is what the program that serves says of itself, and no settings.
type Program struct {
	// Page answers requests for what is no endpoint, such as /; nil answers that there is
	// nothing. walcast dev has a page.
	Page http.Handler

	// Version is that of the program, for the other nodes of a cluster.
	Version string

	// LogLevel is that of the logger, which operators may change; nil if they may not.
	// log-level says how it begins.
	LogLevel *slog.LevelVar

	// Memory is how much of it the process may have before it works harder to keep less; nil
	// leaves that to Go.
	Memory *memory.Limit
}

// DatabaseConfig is how the database is used beside the connection that streams.
type DatabaseConfig struct {
	// PoolSize (pool-size) is how many ordinary connections to Postgres there may
	// be, beside the one that streams. Default 8: walcast runs beside an app and
	// must not eat its connections. The reader keeps one, so at least 2. Where
	// there are enough, five are not used for joins, so that decisions about rows
	// do not wait for them.
	PoolSize int
	// StartTimeout (start-timeout) is how long Postgres may be out of reach
	// before a start is given up. Default 30 s: databases often start together
	// with us. Once streaming, walcast waits for ever.
	StartTimeout time.Duration
	// Migrate (migrate) makes the schema realtime at the start, or brings it up
	// to date, as "walcast migrate" does. Without it one that exists is used.
	Migrate bool
}

// DefaultConfig is what serve uses when nothing is set. It has no database and
// accepts no token.
func DefaultConfig() Config {
	return Config{
		ListenConfig:   ListenConfig{Listen: ":4000"},
		DatabaseConfig: DatabaseConfig{PoolSize: 8, StartTimeout: 30 * time.Second},
		Log:            changelog.Config{Bytes: 64 << 20, Window: 2 * time.Minute},
		Cluster:        cluster.DefaultConfig(),
		Replication:    replication.DefaultConfig(),
		Channels:       channels.DefaultConfig(),
		Policy:         policy.DefaultConfig(),
		Gateway:        gateway.DefaultConfig(),
	}
}

// Validate names every bad field at once, as the user wrote it.
func (c Config) Validate() error {
	return errors.Join(
		validateAddress("listen", c.Listen),
		c.validateMetrics(),
		c.validateSizes(),
		c.Cluster.Validate(),
		c.Replication.Validate(),
		c.validateAuth(),
		c.Channels.Validate(),
		c.Policy.Validate(),
		c.Gateway.Validate(),
	)
}

func validateAddress(name, address string) error {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("%s: want host:port or :port, got %q", name, address)
	}
	return nil
}

func (c Config) validateMetrics() error {
	if c.MetricsListen == "" {
		return nil
	}
	return validateAddress("metrics-listen", c.MetricsListen)
}

func (c Config) validateSizes() (err error) {
	if c.PoolSize < 2 {
		err = errors.Join(err, fmt.Errorf("pool-size: want at least 2, got %d", c.PoolSize))
	}
	for _, role := range c.LogicalMessageRoles {
		if role == "" || len(role) > protocol.MaxIdentifier || !protocol.IsName(role) {
			err = errors.Join(err, fmt.Errorf("logical-message-roles: want names of roles, got %q", role))
		}
	}
	if c.StartTimeout < 0 {
		err = errors.Join(err, fmt.Errorf("start-timeout: want 0s or more, got %s", c.StartTimeout))
	}
	if c.Log.Bytes < 1<<20 {
		err = errors.Join(err, fmt.Errorf("log-size: want at least 1048576 bytes, got %d", c.Log.Bytes))
	}
	if c.Log.Window < 0 {
		err = errors.Join(err, fmt.Errorf("resume-window: want 0s or more, got %s", c.Log.Window))
	}
	return err
}

// validateAuth refuses to serve what nobody could connect to: the likeliest
// reason is a secret that did not arrive.
func (c Config) validateAuth() error {
	a := c.Auth
	if len(a.Secrets) == 0 && a.JWKS == "" && a.JWKSURL == "" && !a.InsecureAnonymous {
		return errors.Join(errors.New("jwt-secret: want the secret that signs the clients' tokens, or a key set"), a.Validate())
	}
	return a.Validate()
}
