package changelog

import (
	"errors"
	"testing"
	"time"

	"walcast/replication/wal"
)

// readFrom is a source on timeline 2, which took over from 1 at 2000.
var readFrom = Source{
	System: "7001", Database: "app", Timeline: 2, Ancestors: []TimelineEnd{{1, 0x2000}},
	Publications: []string{"b", "a"},
}

func begunFrom(s Source) *Log {
	l := New(Config{Bytes: 1 << 20, Window: time.Minute})
	l.ReadFrom(s)
	l.Begin(History{System: s.System, Timeline: s.Timeline, Slot: "s"}, 0x1000, "")
	return l
}

func TestAPositionGoesOnWhereItsProvenanceSays(t *testing.T) {
	l := begunFrom(readFrom)
	ours := l.Provenance(wal.Position{LSN: 0x3000})
	change := func(f func(p *Provenance)) Provenance {
		p := ours
		f(&p)
		return p
	}
	otherPublications := change(func(p *Provenance) { p.Counting = hashOf("a") })
	inside := wal.Position{LSN: 0x3000, Seq: 3}
	for _, c := range []struct {
		name  string
		named Named
		after wal.Position
		code  string
	}{
		{"none", Named{inside, Provenance{}}, inside, ""},
		{"ours", Named{inside, ours}, inside, ""},
		{"other publications", Named{inside, otherPublications}, wal.Before(0x3000), ""},
		{"other publications, no index", Named{wal.Before(0x3000), otherPublications}, wal.Before(0x3000), ""},
		{"an index that is not to be trusted", Named{inside, change(func(p *Provenance) { p.Counting = "" })}, wal.Before(0x3000), ""},
		{"another cluster", Named{inside, change(func(p *Provenance) { p.System = "7002" })}, wal.Position{}, CodeOtherCluster},
		{"another database", Named{inside, change(func(p *Provenance) { p.Database = hashOf("web") })}, wal.Position{}, CodeHistory},
		{"before the switch", Named{wal.Before(0x2000), change(func(p *Provenance) { p.Timeline = 1 })}, wal.Before(0x2000), ""},
		{"lost with the switch", Named{wal.Position{LSN: 0x2000}, change(func(p *Provenance) { p.Timeline = 1 })}, wal.Position{}, CodeDiverged},
		{"no ancestor", Named{wal.Position{LSN: 0x1008}, change(func(p *Provenance) { p.Timeline = 3 })}, wal.Position{}, CodeDiverged},
	} {
		got, err := l.Locate([]Named{{}, c.named})
		var resync *ResyncError
		switch {
		case c.code != "":
			if !errors.As(err, &resync) || resync.Code != c.code || resync.From != c.named.Position || resync.Reason == "" {
				t.Errorf("%s: Locate = %v, %v; want code %s from %s", c.name, got, err, c.code, c.named.Position)
			}
		case err != nil || got.After[1] != c.after || !got.After[0].IsZero() || !got.Begun || (got.History == History{}) != (c.named.Provenance == Provenance{}):
			t.Errorf("%s: Locate = %+v, %v; want after %s", c.name, got, err, c.after)
		}
		_, err = l.Confirm([]Named{c.named})
		if exact := c.code == "" && c.after == c.named.Position; (err == nil) != exact {
			t.Errorf("%s: Confirm = %v; want an error: %t", c.name, err, !exact)
		}
	}
}

// TestAHistoryThatGoesOnOverAPromotionKnowsItsTimelines: what a client was given while
// the history went on is of both, wherever the switch was.
func TestAHistoryThatGoesOnOverAPromotionKnowsItsTimelines(t *testing.T) {
	before := readFrom
	before.Timeline, before.Ancestors = 1, nil
	l := begunFrom(before)
	given := Named{wal.Position{LSN: 0x3000}, l.Provenance(wal.Position{LSN: 0x3000})}
	l.ReadFrom(readFrom)
	if _, err := l.Locate([]Named{given}); err != nil {
		t.Errorf("after the promotion: %v; want none", err)
	}
	if got := l.Provenance(given.Position).Timeline; got != 2 {
		t.Errorf("timeline %d is given out; want 2", got)
	}
	l.Begin(History{System: "7001", Timeline: 2, Slot: "s@0/1000"}, 0x1000, CodeDiverged)
	if _, err := l.Locate([]Named{given}); err == nil {
		t.Error("a position that another history has lost is located")
	}
}

func TestAnIndexCountedWithOtherPublicationsIsNotTrusted(t *testing.T) {
	l := begunFrom(readFrom)
	old, next := wal.Position{LSN: 0x1000, Seq: 1}, wal.Position{LSN: 0x1100, Seq: 1}
	was := l.Provenance(old)
	appendChange(l, old)
	wider := readFrom
	wider.Publications = []string{"a", "b", "c"}
	l.ReadFrom(wider)
	for _, c := range []struct {
		name  string
		named Named
		after wal.Position
	}{
		{"counted before", Named{old, was}, wal.Before(old.LSN)},
		{"counted before, given out after", Named{old, l.Provenance(old)}, wal.Before(old.LSN)},
		{"counted after", Named{next, l.Provenance(next)}, next},
		{"counted after, for a client that came before", Named{next, was}, wal.Before(next.LSN)},
	} {
		if got, err := l.Locate([]Named{c.named}); err != nil || got.After[0] != c.after {
			t.Errorf("%s: Locate = %v, %v; want %s", c.name, got, err, c.after)
		}
	}
}

func appendChange(l *Log, p wal.Position) {
	l.Append(noon, []*wal.Change{{Position: p}}, p.LSN+8)
}

func TestBeforeBeginNothingIsKnownOfPositions(t *testing.T) {
	l := New(Config{Bytes: 1 << 20, Window: time.Minute})
	l.ReadFrom(readFrom)
	named := Named{wal.Position{LSN: 0x3000, Seq: 3}, Provenance{System: "7002"}}
	if got, err := l.Locate([]Named{named}); err != nil || got.Begun || got.After[0] != named.Position {
		t.Errorf("Locate = %+v, %v; want the position, and that it is not sure", got, err)
	}
	if got := l.Provenance(named.Position); got != (Provenance{}) {
		t.Errorf("Provenance = %s; want none", got)
	}
}

func TestProvenanceIsReadAsItWasWritten(t *testing.T) {
	for _, want := range []Provenance{{}, {"7001", "x", 1, "y"}, {"7001", "x", 12, ""}, begunFrom(readFrom).Provenance(wal.Before(0x1000))} {
		if got, err := ParseProvenance(want.String()); err != nil || got != want {
			t.Errorf("ParseProvenance(%q) = %+v, %v; want %+v", want, got, err, want)
		}
	}
	for _, bad := range []string{"7001", "7001.x.1", "7001.x.1.y.z", "7001.x.one.y", ".x.1.y", "7001..1.y", "7001.x.99999999999.y"} {
		if got, err := ParseProvenance(bad); err == nil {
			t.Errorf("ParseProvenance(%q) = %+v; want an error", bad, got)
		}
	}
}

func FuzzParseProvenance(f *testing.F) {
	f.Add("7312345678901234567.1a2b.1.9f3ac1b2")
	f.Fuzz(func(t *testing.T, s string) {
		want, err := ParseProvenance(s)
		if err != nil {
			return
		}
		if got, err := ParseProvenance(want.String()); err != nil || got != want {
			t.Errorf("ParseProvenance(%q) = %+v, %v; want %+v", want.String(), got, err, want)
		}
	})
}
