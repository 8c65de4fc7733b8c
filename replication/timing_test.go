package replication

import (
	"testing"
	"time"
)

func TestPauseGrowsAndIsBounded(t *testing.T) {
	timing := defaultTiming()
	cases := []struct {
		remedy   remedy
		failures int
		most     time.Duration
	}{
		{retryFast, 1, 100 * time.Millisecond},
		{retryFast, 3, 400 * time.Millisecond},
		{renew, 1, 100 * time.Millisecond},
		{retryFast, 1000, 5 * time.Second},
		{retrySlowly, 1, 5 * time.Second},
		{operate, 2, 10 * time.Second},
		{operate, 1000, time.Minute},
	}
	for _, c := range cases {
		for range 100 {
			if got := timing.pause(&fault{remedy: c.remedy}, c.failures); got < c.most/2 || got > c.most {
				t.Fatalf("pause(%v, %d) = %v; want %v to %v", c.remedy, c.failures, got, c.most/2, c.most)
			}
		}
	}
}
