package hostile

import (
	"context"
	"fmt"
	"net/http"
	"strings"
)

// idempotencyKeys broadcasts over HTTP as fast as it can, each time with a key
// that has to be remembered.
type idempotencyKeys struct{}

func (idempotencyKeys) world() []string { return nil }

func (idempotencyKeys) run(ctx context.Context, a *attacker) error {
	client := a.client()
	defer client.CloseIdleConnections()
	body := `{"messages":[{"topic":"nobody","event":"e","payload":{}}]}`
	return a.crowd(ctx, 20, func(ctx context.Context, i int) error {
		for n := 0; ctx.Err() == nil; n++ {
			key := fmt.Sprintf("%d-%d-%s", i, n, strings.Repeat("k", 230))
			if err := a.post(ctx, client, "/api/broadcast", http.Header{"Idempotency-Key": {key}}, body, http.StatusAccepted); err != nil {
				return err
			}
		}
		return nil
	})
}
