package replication

import (
	"testing"
	"time"

	"walcast/replication/wal"
)

func TestLag(t *testing.T) {
	at := func(seconds int) time.Time { return time.Unix(1_000_000+int64(seconds), 0) }
	want := func(name string, l *lag, now time.Time, bytes int64, age time.Duration) {
		t.Helper()
		if l.bytes() != bytes || l.age(now) != age {
			t.Errorf("%s: %d bytes, %v; want %d, %v", name, l.bytes(), l.age(now), bytes, age)
		}
	}
	l := &lag{received: 100}
	want("never sampled", l, at(0), 0, 0)
	l.sampled(100, at(0))
	want("caught up", l, at(5), 0, 0)
	l.sampled(150, at(5))
	l.sampled(180, at(10))
	want("behind", l, at(12), 80, 7*time.Second)
	l.read(160, at(7))
	want("the first sample is reached, the second is not", l, at(12), 20, 5*time.Second)
	l.read(180, at(9))
	want("caught up again", l, at(12), 0, 0)
}

func TestLagAfterALongTimeWithoutReading(t *testing.T) {
	l := &lag{received: 100}
	now := time.Unix(1_000_000, 0)
	l.sampled(1000, now)
	l.read(200, now.Add(-time.Hour)) // the first transaction that comes is an hour old
	if got := l.age(now); got != time.Hour {
		t.Errorf("age = %v; want 1h", got)
	}
	l.read(1000, now)
	l.sampled(1010, now.Add(time.Hour))
	if got := l.age(now.Add(time.Hour)); got != 0 {
		t.Errorf("age after catching up = %v; want 0: old commits do not count any more", got)
	}
}

func TestLagForgetsSamplesButNotTheOldest(t *testing.T) {
	l := &lag{received: 1}
	start := time.Unix(1_000_000, 0)
	for i := range 10 * maxSamples {
		l.sampled(wal.LSN(10+i), start.Add(time.Duration(i)*time.Second))
	}
	if len(l.samples) > maxSamples || l.age(start.Add(time.Hour)) != time.Hour {
		t.Errorf("%d samples, age %v; want at most %d and 1h", len(l.samples), l.age(start.Add(time.Hour)), maxSamples)
	}
}
