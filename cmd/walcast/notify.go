package main

import (
	"log/slog"

	"github.com/coreos/go-systemd/v22/daemon"
)

// notify tells systemd (Type=notify) a state such as READY=1. Without systemd it
// does nothing.
func notify(state string, logger *slog.Logger) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		logger.Warn("systemd not told", "state", state, "err", err)
	}
}
