package changelog

import "walcast/replication/wal"

// contents is what the log holds at present: a stretch of one history. It has no
// lock and no clock of its own: the log's lock guards it.
type contents struct {
	epoch  epoch
	chunks chunks
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

// isCommit reports whether a commit record may start at lsn: records are
// aligned. Other positions stand for "complete up to here", see wal.Before.
func isCommit(lsn wal.LSN) bool { return lsn%8 == 0 }
