package hostile

import (
	"context"
	"fmt"
	"strings"
	"time"

	"walcast/test/program"
)

// slowReaders ask for a lot and read nothing: each on a topic of its own on which
// it hears itself, with rows beside it.
type slowReaders struct{}

func (slowReaders) world() []string { return nil }

func (slowReaders) run(ctx context.Context, a *attacker) error {
	const readers = 200
	speech := map[string]any{"type": "broadcast", "event": "e", "payload": map[string]any{"text": strings.Repeat("s", 100_000)}}
	return beside(ctx, func(ctx context.Context) error {
		return a.writing(ctx, 200*time.Millisecond, `insert into posts (body) values ($1)`, strings.Repeat("p", 100_000))
	}, func(ctx context.Context) error {
		return a.crowd(ctx, readers, func(ctx context.Context, i int) error {
			c := a.caller()
			c.deaf = true
			return a.connected(ctx, c, func(s *socket) error {
				topic := fmt.Sprintf("echo%d", i)
				config := bindings(bind(postsTable, ""))
				config["broadcast"] = map[string]any{"self": true}
				ref, err := s.join(topic, config)
				for err == nil && program.Wait(ctx, 200*time.Millisecond) {
					_, err = s.send(ref, "realtime:"+topic, "broadcast", speech)
				}
				return err
			})
		})
	})
}
