package hostile

import (
	"context"
	"fmt"
	"time"

	"walcast/test/program"
)

// equalBindings joins with as many bindings as may be that are all the same, on a
// table that is written to.
type equalBindings struct{}

func (equalBindings) world() []string { return nil }

func (equalBindings) run(ctx context.Context, a *attacker) error {
	return beside(ctx, func(ctx context.Context) error {
		return a.writing(ctx, 100*time.Millisecond, `insert into posts (body) select 'same' from generate_series(1, 10)`)
	}, func(ctx context.Context) error {
		return a.crowd(ctx, several, func(ctx context.Context, n int) error {
			return a.connected(ctx, a.caller(), func(s *socket) error {
				config := many(10_000, func(int) map[string]any { return bind(postsTable, "body=eq.same") })
				for ctx.Err() == nil {
					if _, err := s.join(fmt.Sprintf("equal%d", n), config); err != nil {
						return err
					}
					program.Wait(ctx, time.Second)
				}
				return nil
			})
		})
	})
}
