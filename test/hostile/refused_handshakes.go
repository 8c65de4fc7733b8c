package hostile

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"walcast/test/program"
)

// refusedHandshakes connects again and again with tokens and names that are
// refused, and asks for what is not there.
type refusedHandshakes struct{}

func (refusedHandshakes) world() []string { return nil }

func (refusedHandshakes) run(ctx context.Context, a *attacker) error {
	long := strings.Repeat("q", 500_000)
	client := a.client()
	defer client.CloseIdleConnections()
	return a.crowd(ctx, 10, func(ctx context.Context, i int) error {
		random := a.chance(i)
		c := a.caller()
		switch random.IntN(5) {
		case 0:
			c.token = "no token " + strings.Repeat("t", random.IntN(8000))
		case 1:
			c.token = program.Sign(jwt.MapClaims{"role": "authenticated", "exp": 1})
		case 2:
			c.token = program.Sign(jwt.MapClaims{"role": strings.Repeat("r", 5000), "exp": expiry})
		case 3:
			c.clientID = strings.Repeat("c", 7000)
		default:
			return a.post(ctx, client, "/api/broadcast?apikey="+long, http.Header{}, `{"messages":[`+long, http.StatusAccepted)
		}
		s, err := c.dial(ctx)
		if err != nil {
			return err
		}
		s.close()
		return errors.New("connected")
	})
}
