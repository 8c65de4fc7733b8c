package hostile

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"walcast/test/program"
)

// resumesAtOnce fills the log with rows, and has hundreds of clients come back to
// the beginning of it at once, for what nobody has written.
type resumesAtOnce struct{}

func (resumesAtOnce) world() []string { return nil }

func (resumesAtOnce) run(ctx context.Context, a *attacker) error {
	const clients = 500
	from, err := position(ctx, a)
	if err != nil {
		return err
	}
	db, err := a.database(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close(context.WithoutCancel(ctx)) }()
	for range 40 {
		// Not as fast as may be: others' rows wait in the WAL behind those of whoever
		// writes much, and Postgres decodes them one after the other.
		program.Wait(ctx, 100*time.Millisecond)
		if _, err := db.Exec(ctx, `insert into posts (body) select repeat('r', 200) from generate_series(1, 1000)`); err != nil {
			return err
		}
	}
	return a.crowd(ctx, clients, func(ctx context.Context, i int) error {
		return a.connected(ctx, a.caller(), func(s *socket) error {
			binding := bind(postsTable, fmt.Sprintf("author=eq.nobody%d", i))
			binding["resume"] = map[string]any{"from": from}
			ref, err := s.join("resume", bindings(binding))
			if err != nil {
				return err
			}
			program.Wait(ctx, a.Duration/4)
			_, err = s.send(ref, "realtime:resume", "phx_leave", map[string]any{})
			return err
		})
	})
}

// position is where the log is now.
func position(ctx context.Context, a *attacker) (string, error) {
	s, err := a.caller().dial(ctx)
	if err != nil {
		return "", err
	}
	defer s.close()
	if _, err := s.join("position", bindings(bind(postsTable, ""))); err != nil {
		return "", err
	}
	f, err := s.next()
	if err != nil {
		return "", err
	}
	var p struct{ Response struct{ Position string } }
	err = json.Unmarshal(f.payload, &p)
	return p.Response.Position, err
}
