package hostile

import (
	"context"
	"fmt"
	"strings"
)

// namesFromOneSocket joins channels with as many bindings as may be, each of
// which has names of its own.
type namesFromOneSocket struct{}

func (namesFromOneSocket) world() []string { return nil }

func (namesFromOneSocket) run(ctx context.Context, a *attacker) error {
	const channels, each = 50, 10_000
	long := strings.Repeat("n", 300)
	return a.crowd(ctx, 1, func(ctx context.Context, _ int) error {
		return a.connected(ctx, a.caller(), func(s *socket) error {
			for c := range channels {
				_, err := s.join(fmt.Sprintf("names%d", c), many(each, func(i int) map[string]any {
					return bind(fmt.Sprintf("t%d_%d_%s", c, i, long), "")
				}))
				if err != nil {
					return err
				}
			}
			return stay(ctx, nil)
		})
	})
}
