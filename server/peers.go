package server

import (
	"context"
	"time"

	"walcast/replication"
)

// peerFound is called when another walcast announces itself that reads the database
// by a slot of its own. It counts as there until it has been silent twice.
func (p *project) peerFound(slot string, begins bool) {
	p.hub.Peers().Found(slot, begins, time.Now().Add(2*replication.AnnounceEvery))
}

// announceClients tells other walcasts which clients this one knows, where it may
// write to the WAL.
func (p *project) announceClients(ctx context.Context) error {
	if p.config.Replication.Heartbeat == 0 {
		return nil
	}
	return p.hub.Peers().Announce(ctx, p.reader.AnnounceClients)
}
