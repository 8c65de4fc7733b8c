package program

import "github.com/golang-jwt/jwt/v5"

// Secret signs the tokens that a process takes.
const Secret = "the-secret-of-the-trial-has-32-characters"

// Sign makes a token.
func Sign(claims jwt.MapClaims) string {
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(Secret))
	if err != nil {
		panic(err) // claims are plain values
	}
	return text
}
