package main

import (
	"math"
	"os"

	"github.com/KimMachineGun/automemlimit/memlimit"

	"walcast/internal/memory"
	"walcast/server"
)

// goMemory is what Go may have with settings as they are by default, so that the process, whose
// program is some 30 MiB, stays below 300.
const goMemory = 240 << 20

// memoryLimit is goMemory and what the settings allow to be held beyond their defaults, but no more than
// 90 % of a container's limit, which Go does not read by itself. It is nil where GOMEMLIMIT says
// what Go may have.
func memoryLimit(c server.Config) *memory.Limit {
	if os.Getenv("GOMEMLIMIT") != "" {
		return nil
	}
	limit := &memory.Limit{Base: goMemory + max(0, held(c)-held(server.DefaultConfig()))}
	// An error says that there is no limit, or that this is a system that does not tell.
	if most, err := memlimit.ApplyRatio(memlimit.FromCgroup, 0.9)(); err == nil && most < math.MaxInt64 {
		limit.Most = int64(most)
	}
	return limit
}

// held is how much the settings allow to be held for all clients together.
func held(c server.Config) int64 {
	return c.Log.Bytes + int64(c.Gateway.QueuesBytes) + int64(c.Channels.MaxHeldTotal) + int64(c.Channels.SnapshotBytes)
}
