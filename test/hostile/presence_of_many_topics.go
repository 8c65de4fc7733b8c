package hostile

import (
	"context"
	"fmt"
	"strings"
	"time"

	"walcast/test/program"
)

// presenceOfManyTopics tracks as much as a payload may have on one topic after the other, each
// of which has room for it, on as many as each socket may join.
type presenceOfManyTopics struct{}

func (presenceOfManyTopics) world() []string { return nil }

func (presenceOfManyTopics) run(ctx context.Context, a *attacker) error {
	const sockets, topics = 60, 200
	payload := map[string]any{"type": "presence", "event": "track", "payload": map[string]any{"about": strings.Repeat("m", 60_000)}}
	return a.crowd(ctx, sockets, func(ctx context.Context, i int) error {
		return a.connected(ctx, a.caller(), func(s *socket) error {
			for n := range topics {
				topic := fmt.Sprintf("tracked %d %d", i, n)
				ref, err := s.join(topic, map[string]any{"presence": map[string]any{"enabled": true}})
				if err != nil {
					return err
				}
				if _, err = s.send(ref, "realtime:"+topic, "presence", payload); err != nil {
					return err
				}
				if !program.Wait(ctx, 20*time.Millisecond) {
					return nil
				}
			}
			return stay(ctx, nil)
		})
	})
}
