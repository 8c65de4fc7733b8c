package replication

import "testing"

// TestReaderDrainsABacklog is the benchmark at a small size.
func TestReaderDrainsABacklog(t *testing.T) {
	k := newBacklog(t, 2000)
	if ours, reference := k.drain(t), k.recvlogical(t); ours <= 0 || reference <= 0 {
		t.Errorf("took %s and, pg_recvlogical, %s; want some time for both", ours, reference)
	}
}
