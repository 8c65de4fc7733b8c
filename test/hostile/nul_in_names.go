package hostile

import (
	"context"
	"errors"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"walcast/test/program"
)

// nulInNames puts a character that no text of Postgres can have into everything
// that may be asked of it: names of schemas, tables and columns, literals, topics,
// roles and claims.
type nulInNames struct{}

func (nulInNames) world() []string { return nil }

const nul = "\x00"

func (nulInNames) run(ctx context.Context, a *attacker) error {
	role := a.caller()
	role.token = program.Sign(jwt.MapClaims{"role": "authenti" + nul + "cated", "exp": expiry})
	claim := a.caller()
	claim.token = program.Sign(jwt.MapClaims{"role": "authenticated", "exp": expiry, "sub": "a" + nul, "na" + nul + "me": nul})
	callers := []caller{a.caller(), role, claim}
	return a.crowd(ctx, len(callers), func(ctx context.Context, i int) error {
		return a.connected(ctx, callers[i], func(s *socket) error {
			for program.Wait(ctx, 100*time.Millisecond) {
				private := bindings(bind(askedTable, ""))
				private["private"] = true
				_, err1 := s.join("table", bindings(bind("ta"+nul+"ble", "")))
				_, err2 := s.join("schema", bindings(map[string]any{"event": "*", "schema": "pub" + nul + "lic", "table": postsTable}))
				_, err3 := s.join("column", bindings(bind(askedTable, "bo"+nul+"dy=eq.x")))
				_, err4 := s.join("literal", bindings(bind(askedTable, "body=match.^(a"+nul+`)\\1`)))
				_, err5 := s.join("topic"+nul, private)
				_, err6 := s.join("rows", bindings(bind(openTable, ""), bind(askedTable, "")))
				if err := errors.Join(err1, err2, err3, err4, err5, err6); err != nil {
					return err
				}
			}
			return nil
		})
	})
}
