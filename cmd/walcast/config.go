package main

import (
	"errors"
	"net/netip"
	"strings"
	"time"

	"walcast/auth"
	"walcast/channels"
	"walcast/channels/live"
	"walcast/cluster"
	"walcast/gateway"
	"walcast/presence"
	"walcast/replication"
	"walcast/replication/changelog"
	"walcast/server"
)

// settings is everything that serve can be told.
type settings struct {
	databaseSettings `group:"Postgres"`
	logSettings      `group:"Log"`
	tokenSettings    `group:"Tokens"`
	listenSettings   `group:"Listening"`
	clusterSettings  `group:"Cluster"`
	sessionSettings  `group:"Sessions"`
	channelSettings  `group:"Channels"`
	snapshotSettings `group:"Snapshots"`
	accessSettings   `group:"Access"`
	outputSettings   `group:"Output"`
}

// config fills each package's Config and validates all of it, so that nothing
// is tried with half of the settings good.
func (s settings) config() (server.Config, error) {
	c := server.DefaultConfig()
	var errs [6]error
	c.Version = version
	c.Listen, c.MetricsListen = s.Listen, s.MetricsListen
	c.PoolSize, c.StartTimeout, c.Migrate = s.PoolSize, s.StartTimeout, s.Migrate
	c.StateDir, c.LogicalMessageRoles = s.StateDir, s.LogicalMessageRoles
	c.Log = changelog.Config{Bytes: int64(s.LogSize), Window: s.ResumeWindow}
	c.Replication, errs[0] = s.databaseSettings.config(c.Replication)
	c.Auth, errs[1] = s.tokenSettings.config()
	c.Channels, errs[3] = s.channelSettings.config(c.Channels)
	c.Channels.PrivateOnly, c.Channels.StrictBindings, c.Channels.ReadCheck = s.PrivateOnly, s.StrictBindings, s.ReadCheck
	c.Channels.SnapshotLimits = s.snapshotSettings.limits()
	c.Policy.AccessAge, c.Policy.Timeout = s.AccessAge, s.PolicyTimeout
	c.Cluster, errs[4] = s.clusterSettings.config()
	c.MetricsSecret, errs[5] = secret("metrics-jwt-secret", s.MetricsJWTSecret, s.MetricsJWTSecretFile)
	c.Gateway, errs[2] = gatewayConfig(c.Gateway, s.listenSettings, s.sessionSettings)
	if err := errors.Join(errs[:]...); err != nil {
		return c, err
	}
	return c, named(c.Validate())
}

func (s databaseSettings) config(c replication.Config) (replication.Config, error) {
	url, err := databaseURL(s.DatabaseURL, s.DatabaseURLFile)
	c.DatabaseURL = url
	c.Slot, c.Publications, c.CreatePublication = s.Slot, s.Publication, s.CreatePublication
	c.SlotWarnBytes, c.SlotFailover = int64(s.SlotWarnSize), s.SlotFailover
	c.Heartbeat = s.Heartbeat
	return c, err
}

func (s clusterSettings) config() (cluster.Config, error) {
	key, err := secret("cluster-secret", s.ClusterSecret, s.ClusterSecretFile)
	return cluster.Config{
		Listen: s.ClusterListen, Peers: s.ClusterPeers, Secret: key,
		TLS:     cluster.TLS{Cert: s.ClusterTLSCert, Key: s.ClusterTLSKey, CA: s.ClusterTLSCA},
		NATSURL: s.NATSURL, NATSCredentialsFile: s.NATSCredentialsFile, Name: s.ClusterName, ReadyLag: s.ReadyLag,
	}, err
}

func (s tokenSettings) config() (auth.Config, error) {
	var errs [4]error
	c := auth.Config{
		JWKSURL: s.JWKSURL, Audience: s.JWTAudience, Issuer: s.JWTIssuer,
		InsecureAnonymous: s.InsecureNoAuth,
	}
	c.Secrets, errs[0] = s.secrets()
	c.JWKS, errs[1] = secret("jwks", s.JWKS, s.JWKSFile)
	c.APIKeys, errs[2] = s.apiKeys()
	known := len(c.Secrets) > 0 || c.JWKS != "" || c.JWKSURL != ""
	switch err := errors.Join(errs[:]...); {
	case err != nil:
		return c, err
	case known && s.InsecureNoAuth:
		return c, wrong("insecure-no-auth", "set together with a secret or key set; want one or the other")
	case !known && !s.InsecureNoAuth:
		return c, wrong("jwt-secret", "not set, so no token could be verified; want the secret that signs the clients' tokens (or --jwks, --jwks-url, or --insecure-no-auth for a trial)")
	}
	return c, nil
}

// secrets are the secret and the older ones, newest first.
func (s tokenSettings) secrets() ([]string, error) {
	newest, err := secret("jwt-secret", s.JWTSecret, s.JWTSecretFile)
	if err != nil {
		return nil, err
	}
	older, err := secretLines("jwt-extra-secrets", s.JWTExtraSecrets, s.JWTExtraSecretsFile)
	if err != nil {
		return nil, err
	}
	if newest == "" {
		return older, nil
	}
	return append([]string{newest}, older...), nil
}

// apiKeys reads KEY=ROLE pairs. Errors name the number, never the key.
func (s tokenSettings) apiKeys() (map[string]string, error) {
	var given []string
	if s.APIKeys != "" {
		given = strings.Split(s.APIKeys, ",")
	}
	pairs, err := secretLines("api-keys", given, s.APIKeysFile)
	if err != nil || len(pairs) == 0 {
		return nil, err
	}
	keys := map[string]string{}
	for i, pair := range pairs {
		key, role, ok := strings.Cut(strings.TrimSpace(pair), "=")
		if !ok || key == "" || role == "" {
			return nil, wrong("api-keys", "want KEY=ROLE, number %d is not", i+1)
		}
		keys[key] = role
	}
	return keys, nil
}

func (s channelSettings) config(c channels.Config) (channels.Config, error) {
	c.MaxChannels, c.MaxBindings, c.MaxHeldBytes, c.MaxHeldTotal = s.MaxChannels, s.MaxBindings, int(s.MaxHeldSize), int(s.MaxHeldTotal)
	c.MaxChangeBytes, c.MaxBroadcastBytes = int(s.MaxChangeSize), int(s.MaxBroadcastSize)
	c.ResumeWait, c.PresenceGrace, c.PresenceRate = s.ResumeWait, s.PresenceGrace, presence.Rate{}
	switch {
	case s.ResumeWait < 0:
		return c, wrong("resume-wait", "want 0s or more, got %s", s.ResumeWait)
	case s.PresenceRate < 0:
		return c, wrong("presence-rate", "want 0 (no limit) or more, got %d", s.PresenceRate)
	case s.PresenceRate > 0:
		c.PresenceRate = presence.Rate{Events: s.PresenceRate, Window: time.Second}
	}
	return c, nil
}

func (s snapshotSettings) limits() live.SnapshotLimits {
	return live.SnapshotLimits{
		SnapshotConnections: s.SnapshotConnections, SnapshotRows: s.SnapshotRows, SnapshotBytes: int64(s.SnapshotMemory), SnapshotTimeout: s.SnapshotTimeout,
		ViewKeys: s.ViewKeys, ViewRecheck: s.ViewRecheck,
	}
}

func gatewayConfig(c gateway.Config, l listenSettings, s sessionSettings) (gateway.Config, error) {
	c.QueueBytes, c.MaxFrame = int(s.QueueSize), int64(s.MaxMessageSize)
	c.QueuesBytes = int(s.QueuesSize)
	c.DropBroadcasts = s.QueueFull == "drop-broadcasts"
	c.MaxSessions, c.MaxSessionsPerAddress = s.MaxSessions, s.MaxSessionsPerAddress
	c.MessagesPerSecond, c.BytesPerSecond = s.MessagesPerSecond, int(s.BytesPerSecond)
	c.JoinsPerSecond = s.JoinsPerSecond
	c.IdleTimeout, c.PingInterval = s.IdleTimeout, s.PingInterval
	c.WriteTimeout, c.DrainTimeout = s.WriteTimeout, l.DrainTimeout
	c.Origins, c.Compression = l.Origins, l.Compression
	c.TLSCert, c.TLSKey = l.TLSCert, l.TLSKey
	for _, text := range l.TrustedProxies {
		network, err := parseNetwork(text)
		if err != nil {
			return c, wrong("trusted-proxies", "want networks such as 10.0.0.0/8, got %q", text)
		}
		c.TrustedProxies = append(c.TrustedProxies, network)
	}
	return c, nil
}

// parseNetwork reads a network, or an address as the network of it alone.
func parseNetwork(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return addr.Prefix(addr.BitLen())
	}
	return netip.ParsePrefix(text)
}
