package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"walcast/auth"
	"walcast/diagnose/explain"
)

const (
	// explainPool is how many connections a question has for itself.
	explainPool = 2
	// explainLimit bounds a question to a server.
	explainLimit = 30 * time.Second
)

// Explain answers a question about the database of a config. Tokens are verified if the
// config says how. A *explain.QuestionError means that the question cannot be answered, any
// other error that the database could not be looked at, and says why in a sentence.
func Explain(ctx context.Context, c Config, q explain.Question) (explain.Answer, error) {
	var verifier *auth.Verifier
	if a := c.Auth; len(a.Secrets) > 0 || a.JWKS != "" || a.JWKSURL != "" || len(a.APIKeys) > 0 {
		var err error
		if verifier, err = auth.NewVerifier(a); err != nil {
			return explain.Answer{}, err
		}
	}
	return explained(ctx, c, verifier, q, "")
}

// servedReader is the role that a server reads rows as for questions, so that a token of that role
// tells nothing that the role may not read.
const servedReader = "service_role"

// explain answers a question about the database while it is served.
func (p *project) explain(ctx context.Context, q explain.Question) (explain.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, explainLimit)
	defer cancel()
	return explained(ctx, p.config, p.verifier, q, servedReader)
}

func explained(ctx context.Context, c Config, v *auth.Verifier, q explain.Question, reader string) (explain.Answer, error) {
	pool, err := openPool(ctx, c, explainPool)
	if err != nil {
		return explain.Answer{}, err
	}
	defer pool.Close()
	config := explain.Config{Pool: pool, Publications: c.Replication.Publications, Policy: c.Policy, Reader: reader}
	config.Holder = func(token string) (explain.Holder, error) { return holder(v, token, time.Now()) }
	answer, err := explain.Explain(ctx, config, q)
	var wrong *explain.QuestionError
	switch {
	case errors.As(err, &wrong):
		return explain.Answer{}, wrong
	case err != nil && ctx.Err() != nil:
		return explain.Answer{}, errors.New("look at the database: not done in time")
	case err != nil:
		return explain.Answer{}, fmt.Errorf("look at the database: %s", oneLine(err))
	}
	return answer, nil
}

// holder is whom a token is of, also if it is refused. Without a verifier nobody looks.
func holder(v *auth.Verifier, token string, now time.Time) (explain.Holder, error) {
	var refused error
	if v != nil {
		claims, err := v.Verify(token, now)
		if err == nil {
			return explain.Holder{Role: claims.Role, Claims: string(claims.Raw)}, nil
		}
		refused = err
	}
	claims, err := auth.Read(token)
	if err != nil {
		return explain.Holder{}, err
	}
	h := explain.Holder{Role: claims.Role, Claims: string(claims.Raw), Unverified: v == nil}
	if refused != nil {
		h.Refused = refused.Error()
	}
	return h, nil
}
