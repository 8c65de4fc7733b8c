package relay

import "walcast/replication/wal"

// Place is how far a node has come with what it reads from others. The zero Place is
// that of a node which has nothing.
type Place struct {
	Term   Term
	Number uint64  // of the last batch that was taken
	UpTo   wal.LSN // everything that commits before it has come
}

// Verdict is what a node does with a batch that comes.
type Verdict uint8

const (
	// Drop is for one that the node has, or that is of a node which read the slot before.
	Drop Verdict = iota
	// Take is for the next one.
	Take
	// Nothing is for a beat, if the node has all that it speaks of.
	Nothing
	// Hole is for one before which something is missing, which has to be asked for.
	Hole
)

// Judge decides what becomes of a batch that comes.
func (p Place) Judge(b Batch) Verdict {
	switch c := b.Term.Compare(p.Term); {
	case c < 0, b.Prelude:
		return Drop
	case c > 0 && b.begins() && p.UpTo > 0 && b.Prev <= p.UpTo:
		return Take // a stream that begins where this node has come, or before
	case c > 0 || p.Number == 0:
		return Hole
	case b.IsBeat() && b.Number == p.Number:
		return Nothing
	case !b.IsBeat() && b.Number == p.Number+1:
		return Take
	case b.Number <= p.Number:
		return Drop
	}
	return Hole
}

// goesOnWith reports whether an answer has what comes next. It may begin anew, with what
// the node has already, and with an earlier stream than the node has come to: if it
// leads as far as that, or farther, nothing is missing between.
func (p Place) goesOnWith(a Answer) bool {
	b := a.Batches[0]
	isAnew := b.Prelude || b.begins()
	return p.Judge(b) == Take || isAnew && a.Newest.Compare(p.Term) >= 0 && (p.UpTo == 0 || b.Prev <= p.UpTo)
}

// After is the place behind a batch. What it has of the WAL may have come before.
func (p Place) After(b Batch) Place {
	return Place{Term: b.Term, Number: b.Number, UpTo: max(p.UpTo, b.Last)}
}

// IsOther reports whether a term that is older than that of the place is nevertheless
// of another WAL: Postgres had less than the node has, so it was put back to an older
// state.
func (p Place) IsOther(t Term) bool {
	return t.Compare(p.Term) < 0 && t.Begun < p.UpTo
}
