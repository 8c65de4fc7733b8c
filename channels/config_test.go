package channels

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestConfigNamesEachBadSettingAsItsUserWroteIt(t *testing.T) {
	config := DefaultConfig()
	if err := config.Validate(); err != nil {
		t.Errorf("Validate() of the defaults = %v; want nil", err)
	}
	config.MaxChannels, config.MaxBindings, config.MaxHeldBytes, config.MaxHeldTotal = -1, -2, -3, -4
	config.MaxChangeBytes, config.MaxBroadcastBytes = 1023, 0
	config.ReadCheck, config.WriteCheck, config.PresenceGrace = 0, -1, -1
	err := config.Validate()
	if err == nil {
		t.Fatal("Validate() = nil; want an error")
	}
	want := `max-channels: want 0 or more, got -1
max-bindings: want 0 or more, got -2
max-held-size: want 0 or more, got -3
max-held-total: want 0 or more, got -4
max-change-size: want at least 1024, got 1023
max-broadcast-size: want at least 1024, got 0
read-check: want 100ms to 30s, got 0s
WriteCheck: want 0s to 30s, got -1ns
presence-grace: want 0s to 5m, got -1ns`
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("Validate differs (-want +got):\n%s", diff)
	}
}
