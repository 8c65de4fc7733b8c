package live

import (
	"slices"

	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// named is a position that clients were told to have a snapshot at. Of the changes
// behind it those come that the snapshot does not see. Who goes on from there later,
// and is not known to have that snapshot, would get the others too.
type named struct {
	at      wal.Position
	history changelog.History
	visible wal.Snapshot
	end     wal.LSN
}

// namedMost bounds how many are remembered.
const namedMost = 1024

// Name remembers that clients were told that they have a snapshot at a position.
func (s *Snapshots) Name(at wal.Position, taken *Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := named{at, taken.From.History, taken.Visible, taken.End}
	if slices.ContainsFunc(s.named, func(n named) bool { return n.at == at && n.end == of.end && n.history == of.history }) {
		return
	}
	if len(s.named) == namedMost {
		s.named = slices.Delete(s.named, 0, namedMost/4)
	}
	s.named = append(s.named, of)
}

// Confirms reports whether a client that goes on from a position gets exactly the
// changes that it lacks, if it has taken a snapshot there or has come so far: nothing
// is behind it that a snapshot which was named there, or shortly before, has seen.
func (s *Snapshots) Confirms(at wal.Position) bool {
	history := s.config.Log.History()
	for _, n := range s.namedBefore(at) {
		if n.history == history && s.config.Log.Disagrees(at, n.end, n.visible) {
			return false
		}
	}
	return true
}

// namedBefore are those snapshots that may have seen what comes behind a position.
func (s *Snapshots) namedBefore(at wal.Position) (all []named) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.named {
		if n.at.Compare(at) <= 0 && at.LSN < n.end {
			all = append(all, n)
		}
	}
	return all
}
