package hostile

import (
	"context"
	"net/http"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// largeHandshakes opens sessions whose tokens and headers are as large as may be,
// and does nothing with them.
type largeHandshakes struct{}

func (largeHandshakes) world() []string { return nil }

func (largeHandshakes) run(ctx context.Context, a *attacker) error {
	const sessions = 600
	c := a.caller()
	large := sign(jwt.MapClaims{"role": "authenticated", "sub": attackerUser, "exp": expiry, "large": strings.Repeat("c", 300_000)})
	c.header = http.Header{"X-Api-Key": {large}, "X-Large": {strings.Repeat("h", 400_000)}}
	return a.crowd(ctx, sessions, func(ctx context.Context, _ int) error {
		return a.connected(ctx, c, func(s *socket) error {
			_, err := s.join("large", bindings(bind(ownTable, "")))
			return stay(ctx, err)
		})
	})
}
