package server

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"time"

	"walcast/channels"
	"walcast/internal/conninfo"
	"walcast/replication"
)

// takeOver has what is kept over a restart used from now on: whoever has the slot is
// the only one who may.
func (p *project) takeOver(others replication.Others) { p.hub.TakeOver(unheard(others)) }

// unheard is for how long clients may come from a server with another slot that nothing
// was heard of. One that runs is heard of soon; one that has stopped never, and its
// clients may be away for as long as any are remembered.
func unheard(others replication.Others) time.Duration {
	switch {
	case others.Unread > 0:
		return channels.RememberedFor
	case others.Read > 0:
		return replication.HeardWithin
	}
	return 0
}

// meet is called when another walcast announces itself that reads the database by a
// slot of its own. Its clients may come here.
func (p *project) meet(slot string) {
	if p.peer != slot {
		p.peer = slot
		p.logger.Info("another walcast reads this database: clients with a client_id that are not known here are told to resync, as they may come from there", "its_slot", slot)
	}
	p.hub.Doubt()
}

// stateFile is a file that something is kept in over a restart, "" without a StateDir.
// Slots of one name in different databases have different files.
func (c Config) stateFile(kind string) string {
	parsed, err := conninfo.Parse(c.Replication.DatabaseURL)
	if c.StateDir == "" || err != nil { // Validate has refused such a URL
		return ""
	}
	database := parsed.ConnConfig
	sum := sha256.Sum256(fmt.Appendf(nil, "%s:%d/%s", database.Host, database.Port, database.Database))
	return filepath.Join(c.StateDir, c.Replication.Slot+"-"+hex.EncodeToString(sum[:4])+"."+kind)
}
