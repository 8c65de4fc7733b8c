package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

type tokenCmd struct {
	Config configFile `placeholder:"PATH" help:"YAML file with settings."`
	tokenSecretSettings

	Role  string        `env:"-" default:"authenticated" help:"Role claim: the database role that the holder acts as."`
	Sub   string        `env:"-" placeholder:"ID" help:"Sub claim: the user's id, what auth.uid() returns."`
	Claim []string      `env:"-" sep:"none" placeholder:"NAME=VALUE" help:"Another claim; again for more. A value that is JSON (5, true, {…}) is taken as such."`
	TTL   time.Duration `env:"-" name:"ttl" default:"1h" help:"How long the token is good."`
}

// tokenSecretSettings are the settings of serve that token needs.
type tokenSecretSettings struct {
	JWTSecret     string `env:"WALCAST_JWT_SECRET,API_JWT_SECRET" placeholder:"SECRET" help:"Secret that signs the token, as serve has it."`
	JWTSecretFile string `placeholder:"PATH" help:"File with the secret."`
	JWTAudience   string `placeholder:"AUD" help:"Aud claim, as serve asks for it."`
	JWTIssuer     string `placeholder:"ISS" help:"Iss claim, as serve asks for it."`
}

// Run prints a token and nothing else, so that a script can use it.
func (c *tokenCmd) Run(term terminal) error {
	key, err := secret("jwt-secret", c.JWTSecret, c.JWTSecretFile)
	if err != nil {
		return err
	}
	if key == "" {
		return wrong("jwt-secret", "not set; want the secret that the server has")
	}
	claims, err := c.claims(time.Now())
	if err != nil {
		return err
	}
	token, err := mint(key, claims)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(term.out, token)
	return err
}

// claims puts the flags together; --claim wins, so that anything can be tried.
func (c *tokenCmd) claims(now time.Time) (map[string]any, error) {
	if c.TTL <= 0 {
		return nil, wrong("ttl", "want more than 0, got %s", c.TTL)
	}
	if c.Role == "" {
		return nil, wrong("role", "want a database role")
	}
	all := map[string]any{"role": c.Role, "iat": now.Unix(), "exp": now.Add(c.TTL).Unix()}
	for name, value := range map[string]string{"sub": c.Sub, "aud": c.JWTAudience, "iss": c.JWTIssuer} {
		if value != "" {
			all[name] = value
		}
	}
	for _, pair := range c.Claim {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, wrong("claim", "want NAME=VALUE, got %q", pair)
		}
		all[name] = claimValue(value)
	}
	return all, nil
}

// claimValue is JSON as it stands, numbers exact, and anything else a string.
func claimValue(text string) any {
	if json.Valid([]byte(text)) {
		return json.RawMessage(text)
	}
	return text
}

// mint signs claims with HS256.
func mint(key string, claims map[string]any) (string, error) {
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims(maps.Clone(claims))).SignedString([]byte(key))
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return token, nil
}
