package changelog

import (
	"slices"

	"walcast/replication/wal"
)

// Source is what the log is read from, as it was found at a connect.
type Source struct {
	System       string // the system identifier, in decimal digits
	Database     string
	Timeline     int32
	Ancestors    []TimelineEnd // the timelines that this one goes on from
	Publications []string      // those that are read
}

// TimelineEnd is where another timeline took over from one: what commits there or
// later is of the next.
type TimelineEnd struct {
	Timeline int32
	End      wal.LSN
}

// source is what the log is read from. The log's lock guards it.
type source struct {
	issued    Provenance    // what positions are given out with
	since     wal.LSN       // where transactions commit of which issued.Counting is true
	passed    []int32       // the timelines that the present history has gone through without a gap
	ancestors []TimelineEnd // of issued.Timeline
}

// changeTo takes in what is read from now on; head is up to where it was the one before.
func (s *source) changeTo(to Source, head wal.Position) {
	counting := hashOf(to.Publications...)
	if s.issued.Counting != "" && s.issued.Counting != counting {
		s.since = head.LSN + 1
	}
	s.issued = Provenance{System: to.System, Database: hashOf(to.Database), Timeline: to.Timeline, Counting: counting}
	s.ancestors = to.Ancestors
	if !slices.Contains(s.passed, to.Timeline) {
		s.passed = append(s.passed, to.Timeline)
	}
}

// begin notes that another history begins, of which the log has nothing yet.
func (s *source) begin() {
	s.since, s.passed = 0, []int32{s.issued.Timeline}
}

// of is what a position is given out with.
func (s *source) of(p wal.Position) Provenance {
	issued := s.issued
	if !s.counted(p) {
		issued.Counting = ""
	}
	return issued
}

// counted reports whether the index of a position was counted as it is now. Where
// there can be no commit it says nothing.
func (s *source) counted(p wal.Position) bool { return p.LSN >= s.since || !isCommit(p.LSN) }

// locate is the position after which a client goes on that names one, or the code of
// the resync that it needs. Where the index cannot be trusted that is the beginning of
// the transaction.
func (s *source) locate(n Named) (after wal.Position, code string) {
	from := n.Provenance
	switch {
	case from == Provenance{}:
		return n.Position, ""
	case from.System != s.issued.System:
		return n.Position, CodeOtherCluster
	case from.Database != s.issued.Database:
		return n.Position, CodeHistory
	case !s.has(from.Timeline, n.Position):
		return n.Position, CodeDiverged
	case isCommit(n.Position.LSN) && (from.Counting != s.issued.Counting || !s.counted(n.Position)):
		return wal.Before(n.Position.LSN), ""
	}
	return n.Position, ""
}

// has reports whether a position of a timeline is one of the history that is read.
func (s *source) has(timeline int32, p wal.Position) bool {
	return slices.Contains(s.passed, timeline) || slices.ContainsFunc(s.ancestors, func(a TimelineEnd) bool {
		return a.Timeline == timeline && p.LSN < a.End
	})
}
