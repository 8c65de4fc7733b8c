package memory

import (
	"context"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"walcast/internal/await"
)

func TestTheLimitFollowsFromSettingsAndSessions(t *testing.T) {
	const mebibyte = 1 << 20
	limit := Limit{Base: 240 * mebibyte}
	for _, test := range []struct {
		name string
		Limit
		Use
		want int64
	}{
		{"nothing is used", limit, Use{}, 240 * mebibyte},
		{"as many sessions as need nothing beside", limit, Use{Live: 100 * mebibyte, Sessions: 4096}, 240 * mebibyte},
		{"many sessions", limit, Use{Live: 100 * mebibyte, Sessions: 4096 + 32_000}, 1240 * mebibyte},
		{"as much alive as has room with a quarter of garbage", limit, Use{Live: 160 * mebibyte, Other: 40 * mebibyte}, 240 * mebibyte},
		{"more alive", limit, Use{Live: 400 * mebibyte, Other: 40 * mebibyte}, 540 * mebibyte},
		{"more alive and a machine that has less", Limit{Base: 240 * mebibyte, Most: 500 * mebibyte}, Use{Live: 400 * mebibyte, Other: 40 * mebibyte}, 500 * mebibyte},
		{"a machine that has less than the settings allow for", Limit{Base: 240 * mebibyte, Most: 115 * mebibyte}, Use{}, 115 * mebibyte},
	} {
		if got := test.Limit.For(test.Use); got != test.want {
			t.Errorf("%s: %d MiB; want %d", test.name, got/mebibyte, test.want/mebibyte)
		}
	}
}

// TestGarbageStaysBelowTheLimit has 60 MiB alive, beside which the collector by itself
// lets as much garbage come.
func TestGarbageStaysBelowTheLimit(t *testing.T) {
	const base = 90 << 20
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	before := debug.SetMemoryLimit(-1)
	go func() { ended <- Limit{Base: base}.Run(ctx, func() int { return 0 }) }()
	await.True(t, time.Minute, "the limit", func() bool { return debug.SetMemoryLimit(-1) == base })
	alive := fill(60 << 20)
	var most int64
	for range 400 {
		runtime.KeepAlive(fill(1 << 20))
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		most = max(most, int64(m.Sys-m.HeapReleased))
	}
	if most > base+base/8 {
		t.Errorf("%d MiB taken with 60 alive; want hardly more than %d", most>>20, base>>20)
	}
	alive = append(alive, fill(60<<20)...)
	runtime.GC()
	await.True(t, time.Minute, "a limit that leaves room", func() bool { return debug.SetMemoryLimit(-1) > 150<<20 })
	runtime.KeepAlive(alive)
	stop()
	if err := <-ended; err != nil || debug.SetMemoryLimit(-1) != before {
		t.Errorf("Run ends with %v and leaves a limit of %d; want %d", err, debug.SetMemoryLimit(-1), before)
	}
}

// fill makes objects of so many bytes together.
func fill(size int) (all [][]byte) {
	for range size >> 14 {
		all = append(all, make([]byte, 1<<14))
	}
	return all
}

// TestALookCostsNothing: a server that has nothing to do looks five times a second.
func TestALookCostsNothing(t *testing.T) {
	g := newGauge()
	started := time.Now()
	const looks = 1000
	for range looks {
		if u := g.read(7); u.Live <= 0 || u.Other <= 0 || u.Sessions != 7 {
			t.Fatalf("use = %+v; want what is used", u)
		}
	}
	if each := time.Since(started) / looks; each > time.Millisecond {
		t.Errorf("a look takes %s; want some microseconds", each)
	}
}
