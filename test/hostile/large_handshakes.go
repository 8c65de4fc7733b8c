package hostile

import (
	"context"
	"net/http"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"walcast/test/program"
)

// largeHandshakes opens sessions whose tokens and headers are nearly as large as
// may be, each its own, and does nothing with them.
type largeHandshakes struct{}

func (largeHandshakes) world() []string { return nil }

func (largeHandshakes) run(ctx context.Context, a *attacker) error {
	const sessions = 3000
	return a.crowd(ctx, sessions, func(ctx context.Context, i int) error {
		c := a.caller()
		large := program.Sign(jwt.MapClaims{"role": "authenticated", "sub": attackerUser, "exp": expiry, "n": i, "large": strings.Repeat("c", 10_000)})
		c.header = http.Header{"X-Api-Key": {large}, "X-Large": {strings.Repeat("h", 15_000)}}
		return a.connected(ctx, c, func(s *socket) error {
			_, err := s.join("large", bindings(bind(ownTable, "")))
			return stay(ctx, err)
		})
	})
}
