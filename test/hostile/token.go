package hostile

import (
	"github.com/golang-jwt/jwt/v5"

	"walcast/test/program"
)

// expiry is after every run.
const expiry = 4102444800

// token is one that the app gives to a user who has signed in.
func token(user string) string {
	return program.Sign(jwt.MapClaims{"role": "authenticated", "sub": user, "exp": expiry})
}
