package hostile

import (
	"context"
	"strings"
	"time"

	"walcast/test/program"
)

// silentJoinersOfFullRoom fills a room with presence, then joins it again and
// again on sockets that read nothing: each join is answered with all that is
// present.
type silentJoinersOfFullRoom struct{}

func (silentJoinersOfFullRoom) world() []string { return nil }

func (silentJoinersOfFullRoom) run(ctx context.Context, a *attacker) error {
	const members, joiners = 200, 40
	track := func(i int) map[string]any {
		size := 6000
		if i%3 == 0 {
			size = 100_000
		}
		return map[string]any{"type": "presence", "event": "track", "payload": map[string]any{"about": strings.Repeat("m", size)}}
	}
	return beside(ctx, func(ctx context.Context) error {
		return a.crowd(ctx, members, func(ctx context.Context, i int) error {
			program.Wait(ctx, time.Duration(i)*10*time.Millisecond)
			return a.connected(ctx, a.caller(), func(s *socket) error {
				ref, err := s.join("room", map[string]any{"presence": map[string]any{"enabled": true}})
				if err != nil {
					return err
				}
				_, err = s.send(ref, "realtime:room", "presence", track(i))
				return stay(ctx, err)
			})
		})
	}, func(ctx context.Context) error {
		program.Wait(ctx, 4*time.Second)
		c := a.caller()
		c.deaf = true
		return a.crowd(ctx, joiners, func(ctx context.Context, _ int) error {
			return a.connected(ctx, c, func(s *socket) error {
				for program.Wait(ctx, 200*time.Millisecond) {
					if _, err := s.join("room", map[string]any{"presence": map[string]any{"enabled": true}}); err != nil {
						return err
					}
				}
				return nil
			})
		})
	})
}
