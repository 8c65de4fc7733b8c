package cluster

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"time"
)

// Config says how the nodes of a cluster find each other. The zero Config is that of
// a node that is in none.
type Config struct {
	// Listen is where other nodes connect to, host:port. It starts a NATS server
	// within this process.
	Listen string
	// Peers are the addresses of other nodes, host:port. A host that resolves to
	// several addresses counts for all of them, and is looked up again and again.
	Peers []string
	// Secret authenticates nodes to each other; required with Listen. It is never
	// sent: what is derived from it is.
	Secret string
	TLS    TLS
	// NATSURL leads to an existing NATS server instead, and NATSCredentialsFile is a
	// .creds file for it, or "".
	NATSURL             string
	NATSCredentialsFile string
	// Name begins the subjects of the messages, so that several clusters can share a
	// NATS: 1 to 64 of letters, digits, - and _. "" makes one of the system identifier
	// of Postgres and of the name of the database.
	Name string
	// ReadyLag is how far behind the reader a follower may be and still be ready.
	// Default 5 s.
	ReadyLag time.Duration
}

// TLS has the paths of PEM files for the connections between nodes, all or none. Each
// node shows Cert, and takes every certificate that CA has signed, whatever its names.
type TLS struct{ Cert, Key, CA string }

// DefaultConfig is that of a node that is in no cluster.
func DefaultConfig() Config { return Config{ReadyLag: 5 * time.Second} }

// Enabled reports whether the node is in a cluster.
func (c Config) Enabled() bool { return c.Listen != "" || c.NATSURL != "" }

// clusterName is what may stand in a subject and in a setting.
var clusterName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// Validate names every bad field at once, as the user wrote it. It never quotes the
// secret or the URL, which may have a password.
func (c Config) Validate() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	switch {
	case c.Listen != "" && c.NATSURL != "":
		wrong("nats-url: set together with cluster-listen, which starts a NATS server here; want one of them")
	case c.NATSURL != "" && len(c.Peers) > 0:
		wrong("nats-url: set together with cluster-peers, which are for NATS servers within the nodes; want one of them")
	case len(c.Peers) > 0 && c.Listen == "":
		wrong("cluster-peers: want cluster-listen too, where those nodes connect to")
	}
	if c.Listen != "" {
		if err := checkAddress(c.Listen); err != nil {
			wrong("cluster-listen: %w", err)
		}
	}
	for _, peer := range c.Peers {
		if err := checkPeer(peer); err != nil {
			wrong("cluster-peers: %w", err)
		}
	}
	switch {
	case c.Secret == "" && (c.Listen != "" || len(c.Peers) > 0):
		wrong("cluster-secret: not set; want the same for all nodes, of 16 characters or more: nobody may join without it")
	case c.Secret != "" && c.Listen == "":
		wrong("cluster-secret: set without cluster-listen, and would protect nothing")
	case c.Secret != "" && len(c.Secret) < leastSecret:
		wrong("cluster-secret: want %d characters or more, got %d", leastSecret, len(c.Secret))
	}
	if c.NATSCredentialsFile != "" && c.NATSURL == "" {
		wrong("nats-credentials-file: set without nats-url, which it is for")
	}
	if c.Name != "" && !clusterName.MatchString(c.Name) {
		wrong("cluster-name: want 1 to 64 of letters, digits, - and _, got %q", c.Name)
	}
	if c.ReadyLag < time.Second {
		wrong("ready-lag: want at least 1s, got %s", c.ReadyLag)
	}
	return errors.Join(append(errs, c.TLS.validate(c.Listen != ""))...)
}

// leastSecret is how long a secret is at least: whoever reaches the port may try.
const leastSecret = 16

func (t TLS) validate(listens bool) error {
	switch given := t != (TLS{}); {
	case given && (t.Cert == "" || t.Key == "" || t.CA == ""):
		return errors.New("cluster-tls-cert: want cluster-tls-cert, cluster-tls-key and cluster-tls-ca, all of them or none")
	case given && !listens:
		return errors.New("cluster-tls-cert: set without cluster-listen, whose connections it is for")
	}
	return nil
}

// checkAddress wants host:port, or :port for all interfaces.
func checkAddress(address string) error {
	if _, _, err := splitAddress(address); err != nil {
		return fmt.Errorf("want host:port or :port, got %q", address)
	}
	return nil
}

// checkPeer wants host:port with both.
func checkPeer(address string) error {
	if host, port, err := splitAddress(address); err != nil || host == "" || port == 0 {
		return fmt.Errorf("want host:port, got %q", address)
	}
	return nil
}

func splitAddress(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	n, err := strconv.ParseUint(text, 10, 16)
	return host, int(n), err
}
