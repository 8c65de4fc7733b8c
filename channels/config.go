package channels

import (
	"errors"
	"fmt"
	"time"

	"walcast/channels/topics"
	"walcast/filters"
	"walcast/presence"
)

// Config of the hub. DefaultConfig has the defaults.
type Config struct {
	// Shards is how many goroutines pairs match changes; 0 is one a core. More
	// than cores only costs memory: every shard looks at every change.
	Shards int
	// MaxChannels is how many topics one session may have joined; 0 is no limit.
	// The default is twice the reference's.
	MaxChannels int
	// MaxBindings is how many bindings the channels of one session may have
	// together, a kilobyte each; 0 is no limit.
	MaxBindings int
	// MaxHeldBytes is how many bytes of names, filters and tokens the channels
	// of one session may have together; 0 is no limit.
	MaxHeldBytes int
	// MaxChangeBytes is the size of a change's values above which long values
	// are cut from its payload (error 413).
	MaxChangeBytes int
	// MaxBroadcastBytes is the size of a broadcast's payload that is relayed;
	// the sender of a larger one is told, nobody else.
	MaxBroadcastBytes int
	// TokenCheck is how often a channel's token is verified again, so that a
	// key rotation is noticed.
	TokenCheck time.Duration
	// WriteCheck is how long a private channel's write permission is believed.
	WriteCheck time.Duration
	// ReadCheck is how often it is asked again whether channels on private topics
	// may still read them.
	ReadCheck time.Duration
	// ReadAway is how long they go on while the database cannot be asked.
	ReadAway time.Duration
	// ResumeWait is how long a client that resumes waits for the log to have its
	// position, as when the window is read again after a restart.
	ResumeWait time.Duration
	// StateFile is where it is kept over a restart what clients with a client_id
	// have received; "" keeps it nowhere, so that they have to resync then.
	StateFile string
	// ResumeClients is how many topics of clients that are away are remembered.
	ResumeClients int
	// ResumeMemory is how long. It is longer than the log's window on purpose: a
	// client that was away for too long is told so, not taken for a new one.
	ResumeMemory time.Duration
	// PresenceRate is how often a channel's track takes effect; above it the last
	// one wins. The zero Rate is no limit.
	PresenceRate presence.Rate
	// PresenceGrace is how long somebody whose socket ended without a leave is
	// taken for present, if the client named its presence key. Who is back by
	// then was never away for others. 0 tells them at once.
	PresenceGrace time.Duration
	// Locale is what the database adds to the meaning of comparisons; what is
	// empty is asked of Postgres.
	Locale filters.Locale
	// Operators decides comparisons that Go is not certain of. It is required.
	Operators filters.Asker
	// PrivateOnly refuses public channels, and broadcasts to them over HTTP.
	PrivateOnly bool
	// PrivateLogicalMessages reports whether logical messages may go to private
	// topics at present; nil is never.
	PrivateLogicalMessages func() bool
	// Archive is where replays come from; nil refuses them.
	Archive topics.Archive
}

// DefaultConfig is what serve uses when nothing is set.
func DefaultConfig() Config {
	return Config{
		MaxChannels:       200,
		MaxBindings:       20_000,
		MaxHeldBytes:      8 << 20,
		MaxChangeBytes:    1 << 20,
		MaxBroadcastBytes: 3_000_500,
		TokenCheck:        5 * time.Minute,
		WriteCheck:        30 * time.Second,
		ReadCheck:         5 * time.Second,
		ReadAway:          5 * time.Minute,
		ResumeWait:        30 * time.Second,
		ResumeClients:     100_000,
		ResumeMemory:      24 * time.Hour,
		PresenceRate:      presence.Rate{Events: 20, Window: time.Second},
	}
}

// Validate names every bad field at once, as the user wrote it.
func (c Config) Validate() (err error) {
	if c.Shards < 0 {
		err = errors.Join(err, fmt.Errorf("shards: want 0 or more, got %d", c.Shards))
	}
	if c.MaxChannels < 0 {
		err = errors.Join(err, fmt.Errorf("max-channels: want 0 or more, got %d", c.MaxChannels))
	}
	if c.MaxBindings < 0 {
		err = errors.Join(err, fmt.Errorf("max-bindings: want 0 or more, got %d", c.MaxBindings))
	}
	if c.MaxHeldBytes < 0 {
		err = errors.Join(err, fmt.Errorf("max-held-size: want 0 or more, got %d", c.MaxHeldBytes))
	}
	if c.MaxChangeBytes < 1024 {
		err = errors.Join(err, fmt.Errorf("max-change-bytes: want at least 1024, got %d", c.MaxChangeBytes))
	}
	if c.MaxBroadcastBytes < 1024 {
		err = errors.Join(err, fmt.Errorf("max-broadcast-bytes: want at least 1024, got %d", c.MaxBroadcastBytes))
	}
	if c.TokenCheck < time.Second {
		err = errors.Join(err, fmt.Errorf("token-check: want at least 1s, got %s", c.TokenCheck))
	}
	if c.ResumeClients < 1 {
		err = errors.Join(err, fmt.Errorf("resume-clients: want at least 1, got %d", c.ResumeClients))
	}
	if c.ResumeMemory < time.Second {
		err = errors.Join(err, fmt.Errorf("resume-memory: want at least 1s, got %s", c.ResumeMemory))
	}
	if c.PresenceGrace < 0 || c.PresenceGrace > 5*time.Minute {
		err = errors.Join(err, fmt.Errorf("presence-grace: want 0s to 5m, got %s", c.PresenceGrace))
	}
	if c.WriteCheck < 0 || c.WriteCheck > 30*time.Second {
		err = errors.Join(err, fmt.Errorf("write-check: want 0s to 30s, got %s", c.WriteCheck))
	}
	if c.ReadCheck < 100*time.Millisecond || c.ReadCheck > 30*time.Second {
		err = errors.Join(err, fmt.Errorf("read-check: want 100ms to 30s, got %s", c.ReadCheck))
	}
	return err
}
