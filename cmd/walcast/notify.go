package main

import (
	"log/slog"

	"github.com/coreos/go-systemd/v22/daemon"

	"walcast/replication"
)

// notify tells systemd (Type=notify) a state such as READY=1. Without systemd it
// does nothing.
func notify(state string, logger *slog.Logger) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		logger.Warn("systemd not told", "state", state, "err", err)
	}
}

// state is what systemd is told of a role. A standby has started well: it may wait for
// longer than systemd would wait for READY=1.
func state(role replication.Role) string {
	switch role {
	case replication.RoleFollower:
		return daemon.SdNotifyReady + "\nSTATUS=Following another node, serving clients"
	case replication.RoleStandby:
		return daemon.SdNotifyReady + "\nSTATUS=Standing by: another process has the slot"
	}
	return "STATUS=Reading the slot, serving clients"
}
