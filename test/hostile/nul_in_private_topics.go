package hostile

import (
	"context"
	"strings"
	"time"

	"walcast/test/program"
)

// nulInPrivateTopics joins private topics that have long names with a character
// in it that Postgres refuses.
type nulInPrivateTopics struct{}

func (nulInPrivateTopics) world() []string { return nil }

func (nulInPrivateTopics) run(ctx context.Context, a *attacker) error {
	topic := nul + strings.Repeat("t", 1_000_000)
	return a.crowd(ctx, 3, func(ctx context.Context, _ int) error {
		return a.connected(ctx, a.caller(), func(s *socket) error {
			for program.Wait(ctx, 100*time.Millisecond) {
				if _, err := s.join(topic, map[string]any{"private": true}); err != nil {
					return err
				}
			}
			return nil
		})
	})
}
