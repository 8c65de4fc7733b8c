package replication

import (
	"fmt"
	runtimemetrics "runtime/metrics"
	"testing"

	"walcast/replication/wal"
)

// heapBytes is what lives on the heap, and garbage that is not collected yet.
func heapBytes() int64 {
	sample := []runtimemetrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	runtimemetrics.Read(sample)
	return int64(sample[0].Value.Uint64())
}

// TestATransactionOfAMillionRowsNeedsNoMemoryOfItsOwn runs alone, as it looks at
// the memory of the process.
func TestATransactionOfAMillionRowsNeedsNoMemoryOfItsOwn(t *testing.T) {
	const rows, budget, spare = 1_000_000, 8 << 20, 50 << 20
	db := orders(t)
	config := holding()
	config.Bytes = budget
	r := startReader(t, db, config)
	held := r.slot().Confirmed
	before, most := heapBytes(), int64(0)
	db.Exec(`insert into orders select n, 'item ' || n from generate_series(1, $1::int) n`, rows)
	db.Exec(`insert into orders values (0, 'after')`)
	r.untilWithin(4*patience, "all rows to have come", func() bool {
		most = max(most, heapBytes()-before)
		return r.metric("walcast_replication_changes_total", "INSERT") == rows+1
	})
	t.Logf("the heap grew by %d MiB at most", most>>20)
	if most > budget+spare {
		t.Errorf("the heap grew by %d bytes; want at most the log's %d and %d more", most, budget, spare)
	}
	if stats := r.log.Stats(); stats.Bytes > budget || stats.Changes == 0 {
		t.Errorf("the log has %d changes of %d bytes; want some, of at most %d", stats.Changes, stats.Bytes, budget)
	}
	r.wantEnd(rows)
	r.until("the slot to follow, as the log could not hold all", func() bool { return r.slot().Confirmed > held })
}

// wantEnd reads what the log still has of a transaction of so many rows and of
// the one behind it.
func (r *reading) wantEnd(rows int) {
	r.t.Helper()
	cursor, err := r.log.After(r.t.Context(), r.log.Oldest())
	if err != nil {
		r.t.Fatal(err)
	}
	r.cursor = cursor
	first := r.next(1)[0]
	for seq := int(first.Position.Seq) + 1; seq < rows; seq++ {
		c := r.next(1)[0]
		if want := fmt.Sprintf("INSERT orders %d item %d", seq+1, seq+1); describeChange(c) != want ||
			c.Position != (wal.Position{LSN: first.Position.LSN, Seq: uint32(seq)}) {
			r.t.Fatalf("change %s at %s; want %s at %d of %s", describeChange(c), c.Position, want, seq, first.Position.LSN)
		}
	}
	r.want("INSERT orders 0 after")
}
