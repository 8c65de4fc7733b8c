package hostile

import (
	"context"
	"strings"

	"github.com/gorilla/websocket"
)

// frameFlood sends frames as fast as it can: heartbeats, what is no message, what
// is for no channel, and some as large as may be.
type frameFlood struct{}

func (frameFlood) world() []string { return nil }

func (frameFlood) run(ctx context.Context, a *attacker) error {
	frames := []string{
		`[null,"1","phoenix","heartbeat",{}]`,
		`[]`,
		`{"topic":`,
		`["1","1","realtime:nowhere","broadcast",{"event":"e","payload":{}}]`,
		`["1","1","realtime:x","phx_join",{"config":[]}]`,
		strings.Repeat("[", 9000) + strings.Repeat("]", 9000),
		`["1","1","realtime:x","nothing","` + strings.Repeat("x", 100_000) + `"]`,
	}
	large := `[null,"1","realtime:nowhere","e","` + strings.Repeat("x", 4_900_000) + `"]`
	return a.crowd(ctx, 20, func(ctx context.Context, i int) error {
		random := a.chance(i)
		return a.connected(ctx, a.caller(), func(s *socket) error {
			for ctx.Err() == nil {
				text := frames[random.IntN(len(frames))]
				if random.IntN(2000) == 0 {
					text = large
				}
				if err := s.sendRaw(websocket.TextMessage, []byte(text)); err != nil {
					return err
				}
			}
			return nil
		})
	})
}
