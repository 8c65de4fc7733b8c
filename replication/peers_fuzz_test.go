package replication

import (
	"slices"
	"strconv"
	"testing"
)

func FuzzReadClients(f *testing.F) {
	f.Add(clientsContent("b", []uint64{1, 2}))
	f.Fuzz(func(t *testing.T, content string) {
		slot, clients, _ := readClients(message(content))
		if slot == "" {
			return
		}
		again, same, ok := readClients(message(clientsContent(slot, clients)))
		if !ok || again != slot || !slices.Equal(same, clients) {
			t.Errorf("%q is %q %v, written and read once more %q %v", content, slot, clients, again, same)
		}
	})
}

func FuzzReadHeartbeat(f *testing.F) {
	for _, content := range []string{"heartbeat 7", "heartbeat 7 a", "heartbeat 0 a begins", "heartbeat  begins", "heartbeat x A", "heartbeat 18446744073709551616 a"} {
		f.Add(content)
	}
	f.Fuzz(func(t *testing.T, content string) {
		h, ok := readHeartbeat(message(content))
		if !ok || h.slot == "" {
			return
		}
		written := heartbeatContent + strconv.FormatUint(h.number, 10) + " " + h.slot
		if h.begins {
			written += beginning
		}
		if again, ok := readHeartbeat(message(written)); !ok || again != h {
			t.Errorf("%q is %+v, written and read once more %+v", content, h, again)
		}
	})
}
