package hostile

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// refusedHandshakes connects again and again with tokens and names that are
// refused, and asks for what is not there.
type refusedHandshakes struct{}

func (refusedHandshakes) world() []string { return nil }

func (refusedHandshakes) run(ctx context.Context, a *attacker) error {
	long := strings.Repeat("q", 500_000)
	client := &http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	return a.crowd(ctx, 10, func(ctx context.Context, i int) error {
		random := a.chance(i)
		c := a.caller()
		switch random.IntN(5) {
		case 0:
			c.token = "no token " + strings.Repeat("t", random.IntN(8000))
		case 1:
			c.token = sign(jwt.MapClaims{"role": "authenticated", "exp": 1})
		case 2:
			c.token = sign(jwt.MapClaims{"role": strings.Repeat("r", 5000), "exp": expiry})
		case 3:
			c.clientID = strings.Repeat("c", 7000)
		default:
			return a.ask(ctx, client, long)
		}
		s, err := c.dial(ctx)
		if err != nil {
			return err
		}
		s.close()
		return errors.New("connected")
	})
}

// ask sends a request over HTTP that is much too long.
func (a *attacker) ask(ctx context.Context, client *http.Client, long string) error {
	target := "http://" + a.Address + "/api/broadcast?" + url.Values{"apikey": {long}}.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(`{"messages":[`+long))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+token(attackerUser))
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, response.Body)
	return errors.New(response.Status)
}
