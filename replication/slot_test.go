package replication

import (
	"strings"
	"testing"
)

func TestSlotLost(t *testing.T) {
	cases := []struct {
		name string
		slot Slot
		lost bool
	}{
		{"healthy", Slot{SlotWAL: SlotWAL{Confirmed: 1, WALStatus: "reserved"}}, false},
		{"near the limit", Slot{SlotWAL: SlotWAL{Confirmed: 1, WALStatus: "unreserved"}}, false},
		{"beyond the limit", Slot{SlotWAL: SlotWAL{Confirmed: 1, WALStatus: "lost"}}, true},
		{"idle for too long, 18", Slot{SlotWAL: SlotWAL{Confirmed: 1, WALStatus: "reserved"}, invalidation: "idle_timeout"}, true},
		{"conflicting, 16", Slot{SlotWAL: SlotWAL{Confirmed: 1}, conflicting: true}, true},
		{"being made", Slot{Active: true}, false},
		{"half made", Slot{}, true},
	}
	for _, c := range cases {
		if why, lost := c.slot.Lost(); lost != c.lost || lost == (why == "") {
			t.Errorf("%s: lost() = %q, %v; want %v", c.name, why, lost, c.lost)
		}
	}
}

func TestSlotOfSomebodyElseIsRefused(t *testing.T) {
	ours := Slot{Name: "s", Database: "shop", Plugin: "pgoutput", slotKind: slotKind{logical: true}}
	if err := ours.Refused("shop"); err != nil {
		t.Errorf("refuse of our own = %v", err)
	}
	cases := []struct {
		spoil func(*Slot)
		want  string
	}{
		{func(s *Slot) { s.logical = false }, `slot "s" is a physical one: set slot to another name`},
		{func(s *Slot) { s.Plugin = "wal2json" }, `slot "s" is of plugin "wal2json", not pgoutput`},
		{func(s *Slot) { s.Database = "other" }, `slot "s" belongs to database "other", not "shop"`},
		{func(s *Slot) { s.twoPhase = true }, `slot "s" has two_phase enabled, which walcast does not read: drop it with SELECT pg_drop_replication_slot('s')`},
		{func(s *Slot) { s.temporary = true }, `slot "s" is the temporary one of another process`},
	}
	for _, c := range cases {
		slot := ours
		c.spoil(&slot)
		if err := slot.Refused("shop"); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("refuse = %v; want %s…", err, c.want)
		}
	}
}

func TestSlotHolderString(t *testing.T) {
	for _, c := range []struct {
		holder SlotHolder
		want   string
	}{
		{SlotHolder{PID: 42}, "process 42"},
		{SlotHolder{PID: 42, Application: "psql", Address: "10.0.0.1"}, `process 42, application_name "psql", client address 10.0.0.1`},
	} {
		if got := c.holder.String(); got != c.want {
			t.Errorf("String() = %s; want %s", got, c.want)
		}
	}
}
