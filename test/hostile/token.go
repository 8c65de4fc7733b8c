package hostile

import (
	"github.com/golang-jwt/jwt/v5"
)

// secret signs the tokens.
const secret = "the-secret-of-the-trial-has-32-characters"

// expiry is after every run.
const expiry = 4102444800

// token is one that the app gives to a user who has signed in.
func token(user string) string {
	return sign(jwt.MapClaims{"role": "authenticated", "sub": user, "exp": expiry})
}

func sign(claims jwt.MapClaims) string {
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret))
	if err != nil {
		panic(err) // claims are plain values
	}
	return text
}
