package hostile

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// likeOfLongRows subscribes by patterns of LIKE that nearly match at each
// character of long rows.
type likeOfLongRows struct{}

func (likeOfLongRows) world() []string { return nil }

func (likeOfLongRows) run(ctx context.Context, a *attacker) error {
	return beside(ctx, func(ctx context.Context) error {
		return a.writing(ctx, 200*time.Millisecond, `insert into posts (body) values ($1)`, strings.Repeat("a", 20_000))
	}, func(ctx context.Context) error {
		return a.crowd(ctx, several, func(ctx context.Context, n int) error {
			return a.connected(ctx, a.caller(), func(s *socket) error {
				_, err := s.join(fmt.Sprintf("likes%d", n), many(2000, func(i int) map[string]any {
					return bind(postsTable, fmt.Sprintf("body=like.%%%sb%d-%d%%", strings.Repeat("a", 300), n, i))
				}))
				return stay(ctx, err)
			})
		})
	})
}
