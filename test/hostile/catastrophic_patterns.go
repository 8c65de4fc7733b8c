package hostile

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// catastrophicPatterns subscribes by regular expressions that refer back, which
// Postgres has to be asked about and takes seconds to try on the attackers' rows.
type catastrophicPatterns struct{}

func (catastrophicPatterns) world() []string { return nil }

func (catastrophicPatterns) run(ctx context.Context, a *attacker) error {
	const patterns = 18
	return beside(ctx, func(ctx context.Context) error {
		return a.writing(ctx, 200*time.Millisecond, `insert into posts (body) select string_agg(md5(random()::text), '') from generate_series(1, 20)`)
	}, func(ctx context.Context) error {
		return a.crowd(ctx, several, func(ctx context.Context, n int) error {
			return a.connected(ctx, a.caller(), func(s *socket) error {
				var all []map[string]any
				for i := range patterns {
					pattern := fmt.Sprintf(`^.{%d}(.+)(.+)(.+)(.+)(.+).*\5\4\3\2\1`, 18*n+i+1)
					all = append(all, bind(postsTable, `body=match."`+strings.ReplaceAll(pattern, `\`, `\\`)+`"`))
				}
				_, err := s.join(fmt.Sprintf("patterns%d", n), bindings(all...))
				return stay(ctx, err)
			})
		})
	})
}

// stay keeps a socket until ctx is done, unless there is an error.
func stay(ctx context.Context, err error) error {
	if err == nil {
		<-ctx.Done()
	}
	return err
}
