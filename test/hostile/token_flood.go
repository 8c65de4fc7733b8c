package hostile

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"walcast/test/program"
)

// tokenFlood gives its channels new tokens as fast as it can: each is another
// subject, many are large, some are bad.
type tokenFlood struct{}

func (tokenFlood) world() []string { return nil }

func (tokenFlood) run(ctx context.Context, a *attacker) error {
	return a.crowd(ctx, 10, func(ctx context.Context, i int) error {
		random := a.chance(i)
		return a.connected(ctx, a.caller(), func(s *socket) error {
			var refs []string
			for c := range 5 {
				ref, err := s.join(fmt.Sprintf("tokens%d", c), bindings(bind(ownTable, ""), bind(askedTable, ""), bind(openTable, "")))
				if err != nil {
					return err
				}
				refs = append(refs, ref)
			}
			for n := 0; ctx.Err() == nil; n++ {
				claims := jwt.MapClaims{"role": "authenticated", "sub": attackerUser, "exp": expiry, "n": fmt.Sprintf("%d-%d", i, n)}
				switch random.IntN(50) {
				case 0:
					claims["large"] = strings.Repeat("c", random.IntN(1_000_000))
				case 1:
					claims["exp"] = time.Now().Add(time.Second).Unix()
				}
				c := n % len(refs)
				message := map[string]any{"access_token": program.Sign(claims)}
				if _, err := s.send(refs[c], fmt.Sprintf("realtime:tokens%d", c), "access_token", message); err != nil {
					return err
				}
			}
			return nil
		})
	})
}
