package main

import (
	"os"
	"path/filepath"
)

// defaultStateDir is where state is kept that outlives a restart: systemd's
// StateDirectory=, else the user's state folder, "" where there is neither.
func defaultStateDir() string {
	if dir := filepath.SplitList(os.Getenv("STATE_DIRECTORY")); len(dir) > 0 {
		return dir[0]
	}
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "walcast")
	}
	if home, err := os.UserHomeDir(); err == nil {
		return filepath.Join(home, ".local", "state", "walcast")
	}
	return ""
}
