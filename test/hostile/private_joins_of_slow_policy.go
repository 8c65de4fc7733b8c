package hostile

import (
	"context"
	"fmt"
	"time"

	"walcast/test/program"
)

// privateJoinsOfSlowPolicy joins private topics about which the app's policy
// thinks for half a second each.
type privateJoinsOfSlowPolicy struct{}

func (privateJoinsOfSlowPolicy) world() []string { return nil }

func (privateJoinsOfSlowPolicy) run(ctx context.Context, a *attacker) error {
	return a.crowd(ctx, 60, func(ctx context.Context, i int) error {
		return a.connected(ctx, a.caller(), func(s *socket) error {
			for n := 0; program.Wait(ctx, 100*time.Millisecond); n++ {
				if _, err := s.join(fmt.Sprintf("%s-%d-%d", slowTopics, i, n), map[string]any{"private": true}); err != nil {
					return err
				}
			}
			return nil
		})
	})
}
