package main

import (
	"log/slog"
	"time"
)

// The settings of serve by what they are about. A setting's name is its flag
// (--log-size), its key in the file (log-size, or nested: log: {size: …}) and
// its environment variable (WALCAST_LOG_SIZE). Its help text is the reference.

type databaseSettings struct {
	DatabaseURL       string        `env:"WALCAST_DATABASE_URL,DATABASE_URL" placeholder:"URL" help:"Postgres to follow, postgres://user:password@host:5432/database. A direct connection: poolers do not pass the replication protocol."`
	DatabaseURLFile   string        `placeholder:"PATH" help:"File with the database URL."`
	Slot              string        `default:"walcast" help:"Permanent replication slot, created when missing. One server at a time reads it; others with the same slot stand by."`
	SlotWarnSize      size          `default:"10GiB" help:"WAL kept for the slot that is too much: the log warns at 50 and 80 % of it, or of max_slot_wal_keep_size where that is lower. 0 is never."`
	SlotFailover      bool          `help:"Let standbys keep the slot too, so that clients resume after a failover. Needs Postgres 17 or newer and standbys with sync_replication_slots."`
	Publication       []string      `default:"supabase_realtime" placeholder:"NAME" help:"Publications to follow; they say which tables have changes."`
	CreatePublication string        `default:"none" placeholder:"TABLES" help:"Create a missing publication: none, all-tables, or a list of tables such as orders,app.items."`
	PoolSize          int           `default:"8" help:"Ordinary connections to Postgres at most, beside the one that streams; at least 2."`
	StartTimeout      time.Duration `default:"30s" help:"How long Postgres may be out of reach at the start before it is given up. Once streaming, walcast waits for ever."`
	Migrate           bool          `help:"Make the schema realtime at the start, or bring it up to date, as the command migrate does: for private channels and messages from SQL."`
	Heartbeat         time.Duration `default:"1m" help:"Idle time after which a small message is written to the WAL, so that an idle database does not keep old WAL. 0 is never."`
}

type logSettings struct {
	ResumeWindow time.Duration `default:"2m" help:"How long a client may be away and still get what it missed. Postgres keeps the WAL of that time."`
	StateDir     string        `placeholder:"PATH" help:"Folder where it is kept over a restart what clients with a client_id have received, and since when access to tables is as it is; without it clients are told to resync. Default: $STATE_DIRECTORY, $XDG_STATE_HOME/walcast, or ~/.local/state/walcast."`
	LogSize      size          `default:"64MiB" help:"Changes held in memory for resuming, at most; past it the oldest leave before the window is over."`
}

type tokenSettings struct {
	JWTSecret           string   `env:"WALCAST_JWT_SECRET,API_JWT_SECRET" placeholder:"SECRET" help:"Secret that signs the clients' tokens (HS256, HS384, HS512). Supabase calls it the JWT secret."`
	JWTSecretFile       string   `placeholder:"PATH" help:"File with the secret."`
	JWTExtraSecrets     []string `placeholder:"SECRET" help:"Older secrets that are still accepted, for rotation."`
	JWTExtraSecretsFile string   `placeholder:"PATH" help:"File with the older secrets, one a line."`
	JWKS                string   `name:"jwks" env:"WALCAST_JWKS,API_JWT_JWKS" placeholder:"JSON" help:"JSON Web Key Set whose keys are accepted too (RS, PS, ES, EdDSA and HS)."`
	JWKSFile            string   `name:"jwks-file" placeholder:"PATH" help:"File with the key set."`
	JWKSURL             string   `name:"jwks-url" placeholder:"URL" help:"Where the key set is fetched from, again every five minutes."`
	JWTAudience         string   `placeholder:"AUD" help:"Required aud claim; empty asks for none."`
	JWTIssuer           string   `placeholder:"ISS" help:"Required iss claim; empty asks for none."`
	APIKeys             string   `name:"api-keys" placeholder:"KEY=ROLE,..." help:"Opaque API keys and their roles, such as sb_publishable_x=anon."`
	APIKeysFile         string   `name:"api-keys-file" placeholder:"PATH" help:"File with API keys, one KEY=ROLE a line."`
	InsecureNoAuth      bool     `help:"Accept everybody as role anon, without tokens. For trials only."`
}

type channelSettings struct {
	MaxChannels      int           `default:"200" help:"Channels one session may have joined; 0 is no limit."`
	MaxBindings      int           `default:"20000" help:"Bindings of row changes that the channels of one session may have together; 0 is no limit."`
	MaxHeldSize      size          `default:"8MiB" help:"Size that the joins of one session's channels may have together, with their names, filters and tokens, and what they track; 0 is no limit."`
	MaxHeldTotal     size          `default:"64MiB" help:"The same of all sessions together, with 1 KiB for each binding and what is tracked twice, of which the first 256 KiB of a session do not count; 0 is no limit."`
	MaxChangeSize    size          `default:"1MiB" help:"Size of a change above which long values are cut from it."`
	MaxBroadcastSize size          `default:"3000500" help:"Largest broadcast payload."`
	PresenceRate     int           `default:"20" help:"Presence updates of one channel that take effect in a second, the last one wins; 0 is no limit."`
	PresenceGrace    time.Duration `default:"0s" help:"How long somebody with a presence key whose connection is lost is taken for present, so that a reconnect is not seen as leaving and coming; 5m at most."`
	ResumeWait       time.Duration `default:"30s" help:"How long a client that resumes waits for changes that a restarted server is reading again."`
}

// snapshotSettings are about the rows that bindings with snapshot: true or view: true
// begin with.
type snapshotSettings struct {
	SnapshotConnections int           `default:"2" help:"Connections to Postgres that snapshots have for themselves, beside those of pool-size."`
	SnapshotRows        int           `default:"100000" help:"Rows that a snapshot may have; one with more, or with a greater limit, is refused."`
	SnapshotMemory      size          `default:"64MiB" help:"Memory for the rows of all snapshots that clients have still to take; others wait."`
	SnapshotTimeout     time.Duration `default:"30s" help:"How long Postgres may take for a snapshot."`
	ViewKeys            int           `default:"1000000" help:"Rows that the views of all clients may have together; a binding with view: true that would have more ends."`
	ViewRecheck         time.Duration `default:"30s" help:"How often the rows of a binding with view: true are looked at again, if they depend on what neither the WAL nor the catalog shows."`
}

// accessSettings are about what clients may see.
type accessSettings struct {
	PrivateOnly         bool          `help:"Refuse public channels."`
	StrictBindings      bool          `help:"Answer joins once their bindings are checked, and refuse those whose bindings do not work. Without it only clients that ask for that have it, and others are told by a system message."`
	LogicalMessageRoles []string      `placeholder:"ROLE" help:"Roles that may send to private topics by pg_logical_emit_message. Postgres does not say who did, so that it works only while nobody else may call that function: revoke it from PUBLIC. Without any, such messages go to public topics only; realtime.send goes to both."`
	AccessAge           time.Duration `default:"1s" help:"How long what the database says of who may see what is believed: grants, policies, functions, types, roles and their membership."`
	ReadCheck           time.Duration `default:"5s" help:"How often it is asked again whether channels on private topics may still read them, 100ms to 30s; with more than 5,000 of them in turn, all within 30s."`
	PolicyTimeout       time.Duration `default:"5s" help:"How long Postgres may take to judge rows by policies that only it can evaluate; a row that takes longer is hidden."`
}

type sessionSettings struct {
	MaxSessions           int           `default:"0" help:"Open sessions at most; 0 is no limit."`
	MaxSessionsPerAddress int           `default:"0" help:"Open sessions of one client address at most; 0 is no limit."`
	QueueSize             size          `default:"4MiB" help:"What may wait for one client; a slower one is closed and can resume."`
	QueuesSize            size          `default:"64MiB" help:"What may wait for all slow clients together; those with most of it are closed and can resume; 0 is no limit."`
	QueueFull             string        `default:"close" enum:"close,drop-broadcasts" help:"What happens to a client whose queue is full: close, or drop-broadcasts, which first drops the broadcasts that wait for it. Row changes and presence are never dropped."`
	MaxMessageSize        size          `default:"5000000" help:"Largest message a client may send."`
	MessagesPerSecond     int           `default:"1000" help:"Messages one client may send a second; 0 is no limit."`
	BytesPerSecond        size          `default:"10000000" help:"Bytes one client may send a second; 0 is no limit."`
	JoinsPerSecond        int           `default:"200" help:"Joins one client may ask for a second; 0 is no limit."`
	IdleTimeout           time.Duration `default:"66s" help:"A session from which nothing arrives for this long is closed. Clients send a heartbeat every 25s."`
	PingInterval          time.Duration `default:"25s" help:"Silence after which a session is pinged, two thirds of idle-timeout at most, and how often event streams get a sign of life."`
	WriteTimeout          time.Duration `default:"30s" help:"A write that makes no headway for this long ends the session."`
}

type listenSettings struct {
	Listen               string        `default:":4000" placeholder:"ADDRESS" help:"Address for clients, host:port. Port 0 picks a free one."`
	MetricsListen        string        `placeholder:"ADDRESS" help:"Address for operators, which clients do not reach: /metrics, which is then gone from the main one, all that /readyz knows, profiles and the level of the log."`
	MetricsJWTSecret     string        `name:"metrics-jwt-secret" env:"WALCAST_METRICS_JWT_SECRET,METRICS_JWT_SECRET" placeholder:"SECRET" help:"Secret of tokens (HS256, HS384, HS512) that /metrics asks for on the address for clients; without it everybody may read them there."`
	MetricsJWTSecretFile string        `name:"metrics-jwt-secret-file" placeholder:"PATH" help:"File with that secret."`
	Origins              []string      `default:"*" placeholder:"ORIGIN" help:"Web origins that may connect, such as https://app.example or https://*.app.example; * is any."`
	TrustedProxies       []string      `placeholder:"NETWORK" help:"Proxies whose X-Forwarded-For is believed, such as 10.0.0.0/8."`
	TLSCert              string        `name:"tls-cert" placeholder:"PATH" help:"PEM certificate; with tls-key it serves TLS. A changed file is picked up."`
	TLSKey               string        `name:"tls-key" placeholder:"PATH" help:"PEM key of the certificate."`
	Compression          bool          `help:"Accept permessage-deflate from clients that offer it: less traffic for more processor time."`
	DrainTimeout         time.Duration `default:"8s" help:"How long a stop waits for clients to leave."`
}

// clusterSettings are for several nodes with one slot.
type clusterSettings struct {
	ClusterListen       string        `placeholder:"ADDRESS" help:"Address for the other nodes of a cluster, host:port. It makes this server a node of one, with a NATS server inside."`
	ClusterPeers        []string      `placeholder:"ADDRESS" help:"Addresses of other nodes, host:port. A name with several addresses, as headless services have, counts for all of them."`
	ClusterSecret       string        `placeholder:"SECRET" help:"Secret that the nodes of a cluster share, 16 characters at least. Nobody joins without it."`
	ClusterSecretFile   string        `placeholder:"PATH" help:"File with the secret of the cluster."`
	ClusterTLSCert      string        `name:"cluster-tls-cert" placeholder:"PATH" help:"PEM certificate that this node shows other nodes; with cluster-tls-key and cluster-tls-ca nodes speak TLS only."`
	ClusterTLSKey       string        `name:"cluster-tls-key" placeholder:"PATH" help:"PEM key of that certificate."`
	ClusterTLSCA        string        `name:"cluster-tls-ca" placeholder:"PATH" help:"PEM certificate of the authority that has signed the certificates of all nodes."`
	NATSURL             string        `name:"nats-url" placeholder:"URL" help:"An existing NATS server to use as the bus of the cluster, in place of those inside the nodes."`
	NATSCredentialsFile string        `name:"nats-credentials-file" placeholder:"PATH" help:"File with the credentials for that NATS server, as nsc writes them."`
	ClusterName         string        `placeholder:"NAME" help:"Name of the cluster, so that several can share a NATS server. Default: made of Postgres' system identifier and the name of the database."`
	ReadyLag            time.Duration `default:"5s" help:"How far behind the reader a node may be and be ready."`
}

type outputSettings struct {
	LogLevel  string `default:"info" enum:"debug,info,warn,error" help:"What is logged: debug, info, warn or error."`
	LogFormat string `default:"text" enum:"text,json" help:"Form of the log: text or json."`
}

// logger writes to the terminal's error output, from the level on that is returned.
func (o outputSettings) logger(term terminal) (*slog.Logger, *slog.LevelVar) {
	level := new(slog.LevelVar)
	// The enum tag admits the four names that UnmarshalText knows.
	_ = level.UnmarshalText([]byte(o.LogLevel))
	options := &slog.HandlerOptions{Level: level}
	if o.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(term.err, options)), level
	}
	return slog.New(slog.NewTextHandler(term.err, options)), level
}
