package replication

import (
	"context"
	"errors"
)

// probeApplication is the application_name of a probe. It is not one of those by which
// readers know each other.
const probeApplication = "walcast doctor"

// Probe opens a replication connection, as a reader does, and closes it. It returns the
// identifier of the server's system, in decimal digits, and what keeps a reader from
// streaming as Explain would say it. It needs one of max_wal_senders for a moment.
func Probe(ctx context.Context, databaseURL string) (systemID string, err error) {
	c, err := replicationConfig(databaseURL, probeApplication, newSocketReader())
	if err != nil {
		return "", err
	}
	conn, err := connectReplication(ctx, c, false)
	if err == nil {
		defer closeQuietly(conn)
		var s system
		if s, err = identify(ctx, conn); err == nil {
			return s.id, nil
		}
	}
	return "", Explain(err, c)
}

// IsPooler reports whether an error of Probe or Explain says that something stands
// between here and the server that does not pass the replication protocol.
func IsPooler(err error) bool {
	var f *fault
	return errors.As(err, &f) && f.advice == pooler().advice
}
