package changelog

import "walcast/replication/wal"

// contents is what the log holds at present: a stretch of one history. It has no
// lock and no clock of its own: the log's lock guards it.
type contents struct {
	epoch  epoch
	chunks chunks
	source source
}

// resync is the error for a consumer that came from a position.
func (c *contents) resync(reason string, from wal.Position) *ResyncError {
	code, text := resyncCause(reason)
	return &ResyncError{
		Reason: text, Code: code, From: from,
		Oldest: c.chunks.lost, Position: c.chunks.head, History: c.epoch.history,
	}
}

// placeAfter is the place behind p, or the error for a p that the history has not.
func (c *contents) placeAfter(p wal.Position) (place, error) {
	to := place{epoch: c.epoch.number, position: p}
	to.chunk, to.index = c.chunks.seek(p)
	switch {
	case to.chunk != nil && to.chunk.changes[to.index].Position == p:
		to.index++
	case isCommit(p.LSN) && p != c.chunks.lost && p != c.chunks.left() && p != c.chunks.head:
		return place{}, c.resync(CodeUnknown, p)
	}
	return to, nil
}

// locate is where positions that a client names are, or the error for one that is of
// another history. With exact a position whose index cannot be trusted is unknown.
func (c *contents) locate(named []Named, exact bool) (Location, error) {
	to := Location{After: make([]wal.Position, len(named)), Begun: c.epoch.begun()}
	known := to.Begun
	for i, n := range named {
		to.After[i] = n.Position
		if n.Position.IsZero() || !to.Begun {
			continue
		}
		after, code := c.source.locate(n)
		if code == "" && exact && after != n.Position {
			code = CodeUnknown
		}
		if code != "" {
			return Location{}, c.resync(code, n.Position)
		}
		to.After[i] = after
		known = known && n.Provenance != Provenance{}
	}
	if known {
		to.History = c.epoch.history
	}
	return to, nil
}

// isCommit reports whether a commit record may start at lsn: records are
// aligned. Other positions stand for "complete up to here", see wal.Before.
func isCommit(lsn wal.LSN) bool { return lsn%8 == 0 }
