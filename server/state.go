package server

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"

	"walcast/internal/conninfo"
)

// stateFile is the file that remembers over a restart what clients have received,
// "" without a StateDir. Slots of one name in different databases have different
// files.
func (c Config) stateFile() string {
	parsed, err := conninfo.Parse(c.Replication.DatabaseURL)
	if c.StateDir == "" || err != nil { // Validate has refused such a URL
		return ""
	}
	database := parsed.ConnConfig
	sum := sha256.Sum256(fmt.Appendf(nil, "%s:%d/%s", database.Host, database.Port, database.Database))
	return filepath.Join(c.StateDir, c.Replication.Slot+"-"+hex.EncodeToString(sum[:4])+".clients")
}
