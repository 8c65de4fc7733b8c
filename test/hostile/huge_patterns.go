package hostile

import (
	"context"
	"fmt"
	"strings"
	"time"

	"walcast/test/program"
)

// hugePatterns subscribes by regular expressions that are small programs written
// out, or grow when they are compiled.
type hugePatterns struct{}

func (hugePatterns) world() []string { return nil }

func (hugePatterns) run(ctx context.Context, a *attacker) error {
	const repeated = `((a|b){1,33}){1,30}z`
	patterns := []string{
		strings.Repeat(repeated, 1_000_000/len(repeated)),
		strings.Repeat(repeated, 20),
		strings.Repeat("(a|b|c|d|", 1000) + "e" + strings.Repeat(")", 1000),
		strings.Repeat("[[:alpha:]]{200}", 300),
	}
	return beside(ctx, func(ctx context.Context) error {
		return a.writing(ctx, 200*time.Millisecond, `insert into posts (body) values ($1)`, strings.Repeat("ab", 5000))
	}, func(ctx context.Context) error {
		return a.crowd(ctx, len(patterns), func(ctx context.Context, i int) error {
			return a.connected(ctx, a.caller(), func(s *socket) error {
				for program.Wait(ctx, 300*time.Millisecond) {
					if _, err := s.join(fmt.Sprintf("patterns%d", i), bindings(bind(postsTable, `body=match."`+patterns[i]+`"`))); err != nil {
						return err
					}
				}
				return nil
			})
		})
	})
}
