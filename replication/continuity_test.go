package replication

import (
	"errors"
	"testing"

	"walcast/replication/changelog"
	"walcast/replication/wal"
)

func TestLineageContinues(t *testing.T) {
	was := lineage{system: "7001", timeline: 2, complete: 0x500, instance: "b"}
	cases := []struct {
		name  string
		now   system
		ended wal.LSN
		want  string
	}{
		{"same server", system{"7001", 2, 0x500, "a"}, 0, ""},
		{"same server, written to since", system{"7001", 2, 0x900, "a"}, 0, ""},
		{"another cluster", system{"7002", 2, 0x900, "a"}, 0, changelog.CodeOtherCluster},
		{"put back to an older state", system{"7001", 2, 0x400, "a"}, 0, changelog.CodeDiverged},
		{"an older timeline", system{"7001", 1, 0x900, "a"}, 0, changelog.CodeDiverged},
		{"promoted after what was read", system{"7001", 3, 0x900, "a"}, 0x500, ""},
		{"promoted without the newest", system{"7001", 3, 0x900, "a"}, 0x4ff, changelog.CodeDiverged},
		{"promoted while it was read", system{"7001", 3, 0x900, "b"}, 0x4ff, ""},
		{"our timeline is no ancestor", system{"7001", 4, 0x900, "a"}, 0, changelog.CodeDiverged},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := was.continues(c.now, func(timeline int32) (wal.LSN, error) {
				if timeline != 2 {
					t.Errorf("asked for the end of timeline %d; want 2", timeline)
				}
				return c.ended, nil
			})
			if err != nil || got != c.want {
				t.Errorf("continues(%+v) = %q, %v; want %q", c.now, got, err, c.want)
			}
		})
	}
}

func TestLineageDoesNotGuessWithoutTheTimelineHistory(t *testing.T) {
	broken := errors.New("broken")
	_, err := lineage{system: "7001", timeline: 1}.continues(system{id: "7001", timeline: 2},
		func(int32) (wal.LSN, error) { return 0, broken })
	if !errors.Is(err, broken) {
		t.Errorf("continues = %v; want %v", err, broken)
	}
}

func TestParseTimelineHistory(t *testing.T) {
	const content = "1\t0/3000148\tno recovery target specified\n\n# a comment\n2\t0/5000A28\tbefore 2024-02-29 12:00:00+00\n"
	for timeline, want := range map[int32]wal.LSN{1: 0x3000148, 2: 0x5000A28, 3: 0} {
		ancestors, err := parseTimelineHistory([]byte(content))
		if got := endOf(timeline, ancestors); err != nil || got != want {
			t.Errorf("timeline %d ends at %s, %v; want %s", timeline, got, err, want)
		}
	}
	for _, bad := range []string{"one\t0/30\tx\n", "1\tthere\tx\n"} {
		if got, err := parseTimelineHistory([]byte(bad)); err == nil {
			t.Errorf("parseTimelineHistory(%q) = %v; want an error", bad, got)
		}
	}
}

// readUntil is a continuity that has read cluster 7001 on timeline 1.
func readUntil() *continuity {
	c := &continuity{}
	c.begin(system{id: "7001", timeline: 1, instance: "a"})
	return c
}

func TestAFirstHistoryNeverGoesOn(t *testing.T) {
	c := &continuity{}
	if err := c.compare(system{id: "7001", timeline: 1}, 0, 0, nil); err != nil || c.resync != "" {
		t.Errorf("compare before anything was read = %v, resync %q; want neither", err, c.resync)
	}
	if c.goesOn(system{id: "7001", timeline: 1}, 0x100, 0) {
		t.Error("a history goes on although none has begun")
	}
}

func TestASlotThatWasMovedOverChangesBeginsANewHistory(t *testing.T) {
	now := system{id: "7001", timeline: 1, instance: "a"}
	if c := readUntil(); !c.goesOn(now, 0x100, 0x100) {
		t.Errorf("history ends with %q although the slot stands where reading ended", c.resync)
	}
	c := readUntil()
	if c.goesOn(now, 0x200, 0x100) || c.resync != changelog.CodeSlotAdvanced {
		t.Errorf("resync = %q; want %q", c.resync, changelog.CodeSlotAdvanced)
	}
	c.begin(now)
	if c.resync != "" || !c.goesOn(now, 0x200, 0x200) {
		t.Errorf("resync = %q after the new history has begun; want it to go on", c.resync)
	}
}

func TestResyncTellsWhyTheSlotWasReplaced(t *testing.T) {
	cases := []struct {
		name     string
		happened func(*continuity)
		reason   string // for the new slot
		resync   string // for subscribers
	}{
		{"the slot was invalidated", func(c *continuity) { c.replaceSlot(causeSlotLost) }, changelog.CodeSlotLost, changelog.CodeSlotLost},
		{"a publication is missing", func(c *continuity) { c.replaceSlot(causePublication) }, changelog.CodePublication, changelog.CodePublication},
		{"the slot was dropped", func(c *continuity) { c.slotIsMissing() }, changelog.CodeSlotMissing, changelog.CodeSlotMissing},
		{"the slot was dropped after it was lost", func(c *continuity) {
			c.replaceSlot(causeSlotLost)
			c.slotIsMissing()
		}, changelog.CodeSlotLost, changelog.CodeSlotLost},
		{"another cluster, which has no slot", func(c *continuity) {
			_ = c.compare(system{id: "7002", timeline: 1}, 0x100, 0, nil) // asks nothing
			c.slotIsMissing()
		}, changelog.CodeSlotMissing, changelog.CodeOtherCluster},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			read := readUntil()
			c.happened(read)
			if reason := read.slotWasCreated(); reason != c.reason || read.resync != c.resync || read.replace != "" {
				t.Errorf("slot made anew for %q, resync %q, still to replace %q; want %q, %q, none",
					reason, read.resync, read.replace, c.reason, c.resync)
			}
		})
	}
	first := &continuity{}
	if first.slotIsMissing() || first.slotWasCreated() != "" || first.resync != changelog.CodeSlotMissing {
		t.Errorf("resync = %q on a first run; want %q for clients of an earlier one", first.resync, changelog.CodeSlotMissing)
	}
}
