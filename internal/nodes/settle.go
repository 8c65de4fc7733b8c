package nodes

import (
	"context"
	"time"
)

// SettleLimit bounds how long a join waits for other nodes.
const SettleLimit = 500 * time.Millisecond

// Settle waits until settled is closed, but not for long. It reports whether it has
// waited at all.
func Settle(ctx context.Context, settled <-chan struct{}) (waited bool) {
	select {
	case <-settled:
		return false
	default:
	}
	limit := time.NewTimer(SettleLimit)
	defer limit.Stop()
	select {
	case <-settled:
	case <-limit.C:
	case <-ctx.Done():
	}
	return true
}
