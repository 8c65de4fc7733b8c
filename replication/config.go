package replication

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"walcast/internal/conninfo"
)

// Config says what the reader reads. Package defaults come from DefaultConfig.
type Config struct {
	// DatabaseURL leads to the database, directly: a pooler does not pass the
	// replication protocol. A URL or key=value pairs, as libpq reads them.
	DatabaseURL string
	// Slot is the name of the permanent replication slot, default "walcast":
	// 1 to 63 of a-z, 0-9 and _. It is created when missing and belongs to one
	// running server at a time.
	Slot string
	// SlotWarnBytes is how much WAL Postgres may keep for the slot before we
	// say so, at half of it and at 80 %; default 10 GiB, 0 is never. Where
	// max_slot_wal_keep_size is lower, that counts. Larger than what the disk
	// can spare, the warnings come too late.
	SlotWarnBytes int64
	// SlotFailover makes the slot one that Postgres' standbys keep too, so that
	// it survives a failover; default false. It needs Postgres 17, and standbys
	// with sync_replication_slots.
	SlotFailover bool
	// Publications are the names of those to read, at least one, default
	// "supabase_realtime".
	Publications []string
	// OptionalPublications are read too while they exist. One that appears is read
	// from its mark in the WAL on (publication_mark.go), and where it has none from
	// one that is written within seconds.
	OptionalPublications []string
	// CreatePublication says what a missing publication is created for: "" or
	// "none" (it is not), "all-tables", or a comma separated list of tables
	// such as `orders, app."Order Lines"`.
	CreatePublication string
	// Heartbeat is the idle time after which a transactional message is
	// written, default 60 s, 0 is never. Without it an idle server keeps WAL
	// that no consumer needs any more.
	Heartbeat time.Duration

	// Relay carries the WAL to the other nodes of a cluster, and from them while one of
	// those reads the slot; nil in none. It is no setting.
	Relay Relay
	// RelayBytes is how much of the WAL a node of a cluster keeps for others, in bytes.
	RelayBytes int64
	// ReadyLag is how far behind the reader a node may be and serve clients.
	ReadyLag time.Duration

	Notices
}

// Notices are what a reader tells the program around it. None of them is a setting, none
// may block, and nil tells nobody.
type Notices struct {
	// TypesFound is told of types that columns have, by OID, after they were read
	// from the catalog. A program that notices when types change calls TypesChanged
	// then, and also once when it has begun to look.
	TypesFound func(types []uint32)
	// StandsBy is called when another process has the slot, before Run waits for it.
	StandsBy func()
	// Follows is called when this process serves clients with what another node reads,
	// and when it does so no more, as it is cut off or too far behind.
	Follows func(serves bool)
	// SlotHeld is called when the slot is ours, each time that a stream is begun and
	// before anything is in the log that was read from it. succeeds says that another
	// process had it while this one stood by.
	SlotHeld func(succeeds bool)
	// PeerFound is called with the slot of another walcast that reads this database,
	// again and again while there is one, every AnnounceEvery at least: each announces
	// itself in the WAL, unless Heartbeat is 0. begins says that it begins to stream.
	PeerFound func(slot string, begins bool)
	// PeerClients is called with clients that another walcast has announced by
	// AnnounceClients.
	PeerClients func(clients []uint64)
}

// DefaultConfig is what the reader uses when nothing is set. It has no
// DatabaseURL.
func DefaultConfig() Config {
	return Config{
		Slot:          "walcast",
		SlotWarnBytes: 10 << 30,
		Publications:  []string{"supabase_realtime"},
		Heartbeat:     time.Minute,
	}
}

// slotName is what Postgres allows; the replication commands would fold or
// refuse anything else.
var slotName = regexp.MustCompile(`^[a-z0-9_]{1,63}$`)

// Validate names every bad field at once, as the user wrote it.
func (c Config) Validate() error {
	return errors.Join(
		c.validateURL(),
		c.validateSlot(),
		c.validatePublications(),
		c.validateHeartbeat(),
	)
}

// validateURL never quotes the URL.
func (c Config) validateURL() error {
	if c.DatabaseURL == "" {
		return errors.New("database-url: not set; want postgres://user:password@host:5432/database")
	}
	if !unmistakable(conninfo.Tidy(c.DatabaseURL)) {
		return errors.New("database-url: what is not a letter or digit in user and password has to be percent-encoded: @ is %40, / is %2F, ? is %3F, # is %23")
	}
	if _, err := conninfo.Parse(c.DatabaseURL); err != nil {
		return fmt.Errorf("database-url: %w", err)
	}
	return nil
}

// unmistakable reports whether a URL can be read in one way only. Where an @ or /
// is part of a password, what follows would be taken for the host or the
// database, and named in errors and logs.
func unmistakable(databaseURL string) bool {
	_, rest, isURL := strings.Cut(databaseURL, "://")
	if !isURL || !strings.HasPrefix(databaseURL, "postgres") {
		return true // key=value pairs
	}
	at, slash := strings.IndexByte(rest, '@'), strings.IndexByte(rest, '/')
	if at >= 0 && (slash < 0 || at < slash) {
		rest = rest[at+1:]
	}
	path, query, _ := strings.Cut(rest, "?")
	if strings.ContainsAny(path, "@#") {
		return false
	}
	for parameter := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(parameter, "=")
		mayHaveAt := name == "user" || name == "password" || name == "host"
		if strings.ContainsAny(name, "@/") || strings.Contains(value, "@") && !mayHaveAt {
			return false
		}
	}
	return true
}

func (c Config) validateSlot() error {
	if !slotName.MatchString(c.Slot) {
		return fmt.Errorf("slot: want 1 to 63 of a-z, 0-9 and _, got %q", c.Slot)
	}
	if c.SlotWarnBytes < 0 {
		return fmt.Errorf("slot-warn-size: want 0 (never) or more, got %d", c.SlotWarnBytes)
	}
	return nil
}

func (c Config) validatePublications() (err error) {
	if len(c.Publications) == 0 {
		err = errors.New("publication: want at least one name")
	}
	for i, name := range c.Publications {
		switch {
		case name == "" || len(name) > maxIdentifier:
			err = errors.Join(err, fmt.Errorf("publication: want names of 1 to 63 bytes, got %q", name))
		case slices.Contains(c.Publications[:i], name):
			err = errors.Join(err, fmt.Errorf("publication: %q is listed twice", name))
		}
	}
	if _, e := parsePublicationTables(c.CreatePublication); e != nil {
		err = errors.Join(err, fmt.Errorf(`create-publication: want none, all-tables or a comma separated list of tables: %w`, e))
	}
	return err
}

func (c Config) validateHeartbeat() error {
	if c.Heartbeat != 0 && c.Heartbeat < time.Second {
		return fmt.Errorf("heartbeat: want 0 (never) or at least 1s, got %v", c.Heartbeat)
	}
	return nil
}
