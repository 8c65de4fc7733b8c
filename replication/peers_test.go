package replication

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"walcast/replication/pgoutput"
)

func message(content string) *pgoutput.LogicalMessage {
	return &pgoutput.LogicalMessage{Prefix: messagePrefix, Content: content}
}

func TestAnnouncedClientsAreReadAsTheyWereWritten(t *testing.T) {
	for _, n := range []int{0, 1, mostClients} {
		want := make([]uint64, n)
		for i := range want {
			want[i] = uint64(i) * 0x9e3779b97f4a7c15
		}
		slot, got, ok := readClients(message(clientsContent("walcast_b", want)))
		if !ok || slot != "walcast_b" || !slices.Equal(got, want) {
			t.Errorf("of %d clients %d are read from slot %q, %t", n, len(got), slot, ok)
		}
	}
}

func TestAnnouncementsThatNoServerWritesAreReadPast(t *testing.T) {
	for _, content := range []string{
		"clients ", "clients a!b AAAAAAAAAAA", "clients  AAAAAAAAAAA", "clients b AAAAAAAAAA", "clients b +/+/+/+/+/8", "clients b A A",
		clientsContent("b", make([]uint64, mostClients+1)), "clients b " + strings.Repeat("A", 1<<20),
	} {
		if slot, clients, ok := readClients(message(content)); !ok || slot != "" || len(clients) > 0 {
			t.Errorf("%.40q is %d clients of slot %q, %t; want to be read past", content, len(clients), slot, ok)
		}
	}
	for _, m := range []*pgoutput.LogicalMessage{nil, message("heartbeat 0 b"), message("clientsb"), {Prefix: "walcast.room", Content: "clients b "}} {
		if _, _, ok := readClients(m); ok {
			t.Errorf("%+v is taken for an announcement", m)
		}
	}
}

func TestNothingIsAnnouncedOnAStandbyUntilItIsPromoted(t *testing.T) {
	r := &Reader{progress: &progress{}}
	r.progress.connected(true)
	if err := r.AnnounceClients(t.Context(), nil); !errors.Is(err, errMayNotWrite) {
		t.Errorf("on a standby: %v; want %v", err, errMayNotWrite)
	}
	r.progress.sampled(slotSample{timeline: 2}, time.Now())
	if !r.progress.mayWrite() {
		t.Error("nothing may be written after a promotion")
	}
}
