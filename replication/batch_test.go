package replication

import (
	"testing"

	"walcast/replication/wal"
)

func TestBatchKeepsTransactionsApart(t *testing.T) {
	changes := []*wal.Change{{Bytes: 1}, {Bytes: 1}, {Bytes: 1}}
	var b batch
	b.add(changes[:2])
	if got, end := b.takeComplete(); len(got) != 0 || end != 0 {
		t.Errorf("takeComplete before a commit = %d changes up to %s; want none", len(got), end)
	}
	b.close(0x20)
	b.add(changes[2:])
	if got, end := b.takeComplete(); len(got) != 2 || end != 0x20 {
		t.Errorf("takeComplete = %d changes up to %s; want 2 up to 0/20", len(got), end)
	}
	if got := b.takeRest(); len(got) != 1 || got[0] != changes[2] {
		t.Errorf("takeRest = %d changes; want the one of the open transaction", len(got))
	}
	b.close(0x30) // a keepalive
	if got, end := b.takeComplete(); len(got) != 0 || end != 0x30 {
		t.Errorf("takeComplete after a keepalive = %d changes up to %s; want none up to 0/30", len(got), end)
	}
}

func TestBatchIsBoundedInChangesAndBytes(t *testing.T) {
	var many, large batch
	for range batchChanges {
		if many.isFull() {
			t.Fatal("full too early")
		}
		many.add([]*wal.Change{{Bytes: 1}})
	}
	large.add([]*wal.Change{{Bytes: batchBytes}})
	if !many.isFull() || !large.isFull() {
		t.Errorf("full = %v, %v; want both", many.isFull(), large.isFull())
	}
	large.takeRest()
	if large.isFull() {
		t.Error("still full after everything was taken")
	}
}
