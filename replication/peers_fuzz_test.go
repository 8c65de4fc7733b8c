package replication

import (
	"slices"
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
