package hostile

import (
	"context"
	"fmt"
	"time"

	"walcast/test/program"
)

// joinsOfManyBindings has six clients join with as many bindings as may be, all of
// which have to be checked, again and again.
type joinsOfManyBindings struct{}

func (joinsOfManyBindings) world() []string { return nil }

func (joinsOfManyBindings) run(ctx context.Context, a *attacker) error {
	return a.crowd(ctx, 6, func(ctx context.Context, i int) error {
		return a.connected(ctx, a.caller(), func(s *socket) error {
			for n := 0; ctx.Err() == nil; n++ {
				_, err := s.join(fmt.Sprintf("bindings%d", i), many(10_000, func(k int) map[string]any {
					return bind(postsTable, fmt.Sprintf("author=eq.%d-%d-%d", i, n, k))
				}))
				if err != nil {
					return err
				}
				program.Wait(ctx, 3*time.Second)
			}
			return nil
		})
	})
}
