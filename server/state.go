package server

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"

	"walcast/internal/conninfo"
)

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
