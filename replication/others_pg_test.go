package replication

import "testing"

// TestOtherSlotsAreThoseThatAWalcastCouldRead: that are read, and that nobody reads.
func TestOtherSlotsAreThoseThatAWalcastCouldRead(t *testing.T) {
	t.Parallel()
	db := orders(t)
	first := startReader(t, db, holding())
	db.Exec(`select pg_create_logical_replication_slot($1, 'pgoutput')`, db.Name+"_left")
	db.Exec(`select pg_create_logical_replication_slot($1, 'pgoutput', true)`, db.Name+"_passing")
	db.Exec(`select pg_create_logical_replication_slot($1, 'test_decoding')`, db.Name+"_else")
	held := make(chan Others, 10)
	second := startReader(t, db, holding(), func(s *setup) {
		s.config.Slot += "_b"
		s.config.SlotHeld = func(others Others) { held <- others }
	})
	if got, want := <-held, (Others{Read: 1, Unread: 1}); got != want {
		t.Errorf("beside the slot there are %+v; want %+v", got, want)
	}
	for _, r := range []*reading{first, second} {
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	}
}
