package replication

import (
	"testing"
	"time"

	"walcast/replication/wal"
)

func TestRetentionCrossesAndFallsBack(t *testing.T) {
	cases := []struct {
		name          string
		warn, most    int64
		bytes         int64
		limit         int64
		setting       string
		percent, past int
	}{
		{"nothing kept", 1000, -1, 0, 1000, "slot-warn-size", 0, 0},
		{"below", 1000, -1, 499, 1000, "slot-warn-size", 49, 0},
		{"half", 1000, -1, 500, 1000, "slot-warn-size", 50, 1},
		{"four fifths", 1000, -1, 800, 1000, "slot-warn-size", 80, 2},
		{"far beyond", 1000, -1, 1 << 50, 1000, "slot-warn-size", 112589990684262, 2},
		{"Postgres' limit is lower", 1000, 400, 320, 400, "max_slot_wal_keep_size", 80, 2},
		{"Postgres' limit is higher", 1000, 4000, 500, 1000, "slot-warn-size", 50, 1},
		{"Postgres' limit alone", 0, 4000, 500, 4000, "max_slot_wal_keep_size", 12, 0},
		{"no limit", 0, -1, 1 << 50, 0, "slot-warn-size", 0, 0},
		{"a segment is always kept", 0, 0, 8 << 20, 16 << 20, "max_slot_wal_keep_size", 50, 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := retention{warnBytes: c.warn}
			_, past := r.sampled(slotSample{end: 2, restart: 1, bytes: c.bytes, limit: c.most}, time.Unix(1, 0))
			limit, setting := r.limit()
			if past != c.past || r.percent() != c.percent || limit != c.limit || setting != c.setting {
				t.Errorf("%d crossings, %d %% of %d by %s; want %d, %d %% of %d by %s",
					past, r.percent(), limit, setting, c.past, c.percent, c.limit, c.setting)
			}
		})
	}
	r := retention{warnBytes: 1000}
	for _, step := range []struct{ bytes, before, after int }{{600, 0, 1}, {700, 1, 1}, {900, 1, 2}, {600, 2, 1}, {100, 1, 0}, {900, 0, 2}} {
		before, after := r.sampled(slotSample{end: 2, restart: 1, bytes: int64(step.bytes), limit: -1}, time.Unix(1, 0))
		if before != step.before || after != step.after {
			t.Errorf("with %d bytes from %d to %d crossings; want %d to %d", step.bytes, before, after, step.before, step.after)
		}
	}
}

func TestRetentionAge(t *testing.T) {
	at := func(seconds int) time.Time { return time.Unix(1_000_000+int64(seconds), 0) }
	r := retention{}
	want := func(name string, now time.Time, age time.Duration) {
		t.Helper()
		if got := r.age(now); got != age {
			t.Errorf("%s: age %v; want %v", name, got, age)
		}
	}
	want("never sampled", at(0), 0)
	r.sampled(slotSample{end: 100, restart: 100}, at(0))
	want("nothing is kept", at(10), 0)
	r.sampled(slotSample{end: 200, restart: 100}, at(10))
	r.sampled(slotSample{end: 200, restart: 100}, at(20))
	r.sampled(slotSample{end: 300, restart: 100}, at(30))
	want("kept since the first sample beyond the slot", at(40), 30*time.Second)
	r.sampled(slotSample{end: 300, restart: 200}, at(40))
	want("the slot has moved over the first", at(40), 10*time.Second)
	r.sampled(slotSample{end: 400}, at(50))
	want("the slot is gone", at(50), 0)

	r = retention{}
	r.sampled(slotSample{end: 500, restart: 100}, at(100))
	r.read(90, at(1))
	want("an old transaction before the slot", at(100), 0)
	r.read(150, at(5))
	want("an old transaction that is read again", at(100), 95*time.Second)
	r.read(160, at(50))
	want("a later one", at(100), 95*time.Second)
	want("a clock that was set back", at(-100), 0)
}

func TestRetentionForgetsSamplesButNotTheOldest(t *testing.T) {
	r := retention{}
	for i := range 10 * maxSamples {
		r.sampled(slotSample{end: wal.LSN(10 + i), restart: 1}, time.Unix(int64(i), 0))
	}
	if len(r.ends) > maxSamples || r.age(time.Unix(1000, 0)) != 1000*time.Second {
		t.Errorf("%d samples, age %v; want at most %d and 1000s", len(r.ends), r.age(time.Unix(1000, 0)), maxSamples)
	}
}
