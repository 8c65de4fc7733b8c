package server

import (
	"testing"
	"time"

	"walcast/channels"
	"walcast/replication"
)

func TestAServerThatHasStoppedIsNotHeardOf(t *testing.T) {
	for _, c := range []struct {
		others replication.Others
		want   time.Duration
	}{
		{replication.Others{}, 0},
		{replication.Others{Read: 2}, replication.HeardWithin},
		{replication.Others{Unread: 1}, channels.RememberedFor},
		{replication.Others{Read: 1, Unread: 1}, channels.RememberedFor},
	} {
		if got := unheard(c.others); got != c.want {
			t.Errorf("beside %+v clients are in doubt for %s; want %s", c.others, got, c.want)
		}
	}
}
