package changelog

import "walcast/replication/wal"

// place is how far a cursor has come. It has no lock of its own: the log's lock
// guards it.
type place struct {
	epoch int // number of the history that position belongs to; 0 before Begin
	// position is that of the last change that was read, or where the cursor
	// started: everything after it is still to come.
	position wal.Position

	// Where the next change will be; chunk is nil, or gone, when that has to
	// be searched for.
	chunk *chunk
	index int
}

// next returns changes after the place, up to limit of them (all that are at hand
// if it is 0), and moves behind them; none if there are none yet. With an error
// the place moves to the log's head.
func (p *place) next(in *contents, limit int) ([]*wal.Change, error) {
	if p.epoch == 0 && in.epoch.number == 1 { // made before Begin
		p.epoch, p.position = 1, in.epoch.start
	}
	switch {
	case !in.epoch.begun():
		return nil, nil
	case p.epoch != in.epoch.number:
		return nil, p.fail(in, in.epoch.reason)
	case p.position.Compare(in.chunks.lost) < 0:
		return nil, p.fail(in, CodeTooOld)
	case p.position.Compare(in.chunks.left()) < 0:
		p.position, p.chunk = in.chunks.left(), nil
		return []*wal.Change{in.chunks.ending}, nil
	case !p.find(in):
		return nil, nil
	}
	rest := p.chunk.changes[p.index:]
	if limit > 0 && len(rest) > limit {
		rest = rest[:limit]
	}
	p.index += len(rest)
	p.position = rest[len(rest)-1].Position
	return rest[:len(rest):len(rest)], nil
}

// find moves chunk and index to the next change; it is false if there is none
// yet.
func (p *place) find(in *contents) bool {
	if p.chunk == nil || p.chunk.isGone {
		p.chunk, p.index = in.chunks.seek(p.position)
		if p.chunk == nil {
			return false
		}
		if p.chunk.changes[p.index].Position == p.position {
			p.index++
		}
	}
	for p.index == len(p.chunk.changes) {
		if p.chunk.next == nil {
			return false
		}
		p.chunk, p.index = p.chunk.next, 0
	}
	return true
}

// fail moves the place to the log's head, and returns why it cannot go on from
// where it was.
func (p *place) fail(in *contents, reason string) error {
	err := in.resync(reason, p.position)
	*p = place{epoch: in.epoch.number, position: in.chunks.head}
	return err
}
