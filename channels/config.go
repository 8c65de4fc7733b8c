package channels

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"walcast/channels/live"
	"walcast/channels/spread"
	"walcast/channels/topics"
	"walcast/filters"
	"walcast/internal/nodes"
	"walcast/presence"
	"walcast/replication/wal"
)

// Config of the hub. DefaultConfig has the defaults; each field names the setting
// that a user writes, where it is one.
type Config struct {
	// PrivateOnly (private-only) refuses public channels, and broadcasts to them
	// over HTTP.
	PrivateOnly bool
	// StrictBindings (strict-bindings) has every join wait until its bindings are
	// checked, and refuses it if they do not work.
	StrictBindings bool

	Limits
	Checks
	Resume
	Presence
	live.SnapshotLimits
	Database
}

// Limits of sessions and of what they send.
type Limits struct {
	// MaxChannels (max-channels) is how many topics one session may have joined;
	// 0 is no limit. The default is twice upstream's.
	MaxChannels int
	// MaxBindings (max-bindings) is how many bindings the channels of one session
	// may have together, a kilobyte each; 0 is no limit.
	MaxBindings int
	// MaxHeldBytes (max-held-size) is how many bytes of names, filters and tokens, and of
	// what they track, the channels of one session may have together; 0 is no limit.
	MaxHeldBytes int
	// MaxHeldTotal (max-held-total) is how many bytes of the same, of what is tracked twice,
	// and a kilobyte for each binding, all sessions may have together beyond 256 KiB each; 0
	// is no limit.
	MaxHeldTotal int
	// MaxChangeBytes (max-change-size) is the size of a change's values above
	// which long values are cut from its payload (error 413).
	MaxChangeBytes int
	// MaxBroadcastBytes (max-broadcast-size) is the largest payload of a
	// broadcast. A larger broadcast is refused to its sender.
	MaxBroadcastBytes int
}

// Checks say for how long answers about private channels' rights are believed.
type Checks struct {
	// ReadCheck (read-check) is how often the database is asked again whether
	// channels on private topics may still read them.
	ReadCheck time.Duration
	// ReadAway is how long these channels go on while the database cannot be
	// asked. It is no setting: only tests change it.
	ReadAway time.Duration
	// WriteCheck is how long a private channel's write permission is believed. It
	// is no setting: only tests change it.
	WriteCheck time.Duration
}

// Resume says what is kept for clients that come back.
type Resume struct {
	// ResumeWait (resume-wait) is how long a client that resumes waits for the log
	// to have its position, as when the window is read again after a restart.
	ResumeWait time.Duration
	// StateFile is where the server keeps over a restart what clients with a
	// client_id have received; "" keeps it nowhere, so that they have to resync
	// then. The server derives it from state-dir.
	StateFile string
}

// Presence says when others are told of presence.
type Presence struct {
	// PresenceRate (presence-rate) is how often a channel's track takes effect;
	// of more tracks the last one does. The zero Rate is no limit.
	PresenceRate presence.Rate
	// PresenceGrace (presence-grace) is how long a client whose socket ended
	// without a leave is taken for present, if it named its presence key. If it
	// is back by then, others never learn that it was away. 0 tells them at
	// once.
	PresenceGrace time.Duration
}

// Database is what the hub knows and asks of the database. None of it is a
// setting: the server fills it in.
type Database struct {
	// Locale is the database's locale, on which some comparisons depend.
	// Comparisons that a missing part of it would decide are left to Postgres.
	Locale filters.Locale
	// Operators decides comparisons that Go is not certain of. It is required.
	Operators filters.Asker
	// PrivateLogicalMessages reports whether logical messages may go to private
	// topics at present; nil means never.
	PrivateLogicalMessages func() bool
	// Flush has Postgres flush its WAL up to an LSN, so that those who wait for
	// it hear of it soon; nil does nothing.
	Flush func(ctx context.Context, upTo wal.LSN) error
	// Feed says whether changes come from the database; nil means that they do.
	Feed func() Feed
	// Archive is where replays come from; nil refuses them.
	Archive topics.Archive
	// Bus leads to the other nodes of the cluster, to whose clients broadcasts go too; nil
	// without one.
	Bus spread.Bus
	// PresenceBus leads to them too, for who is present there; nil without one.
	PresenceBus nodes.Bus
	// ClientsBus leads to them too, for what clients have received that move between nodes;
	// nil without one.
	ClientsBus nodes.Bus
	// Nodes is how many there are, this one among them.
	Nodes func() int
	// SlotIsTaken reports whether another server has the slot by now; nil means that
	// none has.
	SlotIsTaken func(ctx context.Context) bool
	// SnapshotPool is where snapshots are read, with as many connections as there may be
	// for them and without a cache of statements; nil takes none, and bindings that ask
	// for them are like others.
	SnapshotPool *pgxpool.Pool
	// Publications are those that are read.
	Publications []string
}

const (
	// rememberedTopics is how many topics of clients that are away are
	// remembered with what the client has received, and of how many topics
	// broadcasts are kept.
	rememberedTopics = 100_000
	// rememberedFor is how long clients that are away are remembered. It is
	// longer than the log's window on purpose: a client that was away for too
	// long is told so, and not taken for a new one.
	rememberedFor = 24 * time.Hour
)

// DefaultConfig is what serve uses when nothing is set.
func DefaultConfig() Config {
	return Config{
		Limits: Limits{
			MaxChannels: 200, MaxBindings: 20_000, MaxHeldBytes: 8 << 20, MaxHeldTotal: 64 << 20,
			MaxChangeBytes: 1 << 20, MaxBroadcastBytes: 3_000_500,
		},
		Checks:   Checks{ReadCheck: 5 * time.Second, ReadAway: 5 * time.Minute, WriteCheck: 30 * time.Second},
		Resume:   Resume{ResumeWait: 30 * time.Second},
		Presence: Presence{PresenceRate: presence.Rate{Events: 20, Window: time.Second}},

		SnapshotLimits: live.DefaultSnapshotLimits(),
	}
}

// Validate names every bad field at once, as the user wrote it.
func (c Config) Validate() error {
	return errors.Join(c.Limits.validate(), c.Checks.validate(), c.Presence.validate(), c.SnapshotLimits.Validate())
}

func (l Limits) validate() (err error) {
	limits := []struct {
		name         string
		value, least int
	}{
		{"max-channels", l.MaxChannels, 0},
		{"max-bindings", l.MaxBindings, 0},
		{"max-held-size", l.MaxHeldBytes, 0},
		{"max-held-total", l.MaxHeldTotal, 0},
		{"max-change-size", l.MaxChangeBytes, 1024},
		{"max-broadcast-size", l.MaxBroadcastBytes, 1024},
	}
	for _, one := range limits {
		switch {
		case one.value >= one.least:
		case one.least == 0:
			err = errors.Join(err, fmt.Errorf("%s: want 0 or more, got %d", one.name, one.value))
		default:
			err = errors.Join(err, fmt.Errorf("%s: want at least %d, got %d", one.name, one.least, one.value))
		}
	}
	return err
}

func (c Checks) validate() (err error) {
	if c.ReadCheck < 100*time.Millisecond || c.ReadCheck > 30*time.Second {
		err = errors.Join(err, fmt.Errorf("read-check: want 100ms to 30s, got %s", c.ReadCheck))
	}
	if c.WriteCheck < 0 || c.WriteCheck > 30*time.Second {
		err = errors.Join(err, fmt.Errorf("WriteCheck: want 0s to 30s, got %s", c.WriteCheck))
	}
	return err
}

func (p Presence) validate() error {
	if p.PresenceGrace < 0 || p.PresenceGrace > 5*time.Minute {
		return fmt.Errorf("presence-grace: want 0s to 5m, got %s", p.PresenceGrace)
	}
	return nil
}
