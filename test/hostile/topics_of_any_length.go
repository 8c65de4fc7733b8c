package hostile

import (
	"context"
	"fmt"
	"strings"
)

// topicsOfAnyLength joins and leaves topics with long names, as clients that may
// come back, and speaks in each.
type topicsOfAnyLength struct{}

func (topicsOfAnyLength) world() []string { return nil }

func (topicsOfAnyLength) run(ctx context.Context, a *attacker) error {
	const together, each = 20, 5000
	return a.crowd(ctx, together, func(ctx context.Context, i int) error {
		c := a.caller()
		c.clientID = fmt.Sprintf("client %d", i)
		return a.connected(ctx, c, func(s *socket) error {
			for n := 0; n < each && ctx.Err() == nil; n++ {
				topic := fmt.Sprintf("%d-%d-%s", i, n, strings.Repeat("x", 4500))
				if n%1000 == 0 {
					topic += strings.Repeat("y", 1_000_000)
				}
				ref, err := s.join(topic, bindings())
				if err != nil {
					return err
				}
				speech := map[string]any{"type": "broadcast", "event": "e", "payload": map[string]any{}}
				if _, err := s.send(ref, "realtime:"+topic, "broadcast", speech); err != nil {
					return err
				}
				if _, err := s.send(ref, "realtime:"+topic, "phx_leave", map[string]any{}); err != nil {
					return err
				}
			}
			return nil
		})
	})
}
