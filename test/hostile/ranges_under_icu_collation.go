package hostile

import (
	"context"
	"fmt"
	"time"
)

// rangesUnderICUCollation subscribes by thousands of different bounds on a column
// whose order only Postgres knows, and writes to it.
type rangesUnderICUCollation struct{}

func (rangesUnderICUCollation) world() []string {
	return []string{
		`create table words (id bigint generated always as identity primary key, word text collate "und-x-icu")`,
		`grant select, insert on words to authenticated`,
	}
}

func (rangesUnderICUCollation) run(ctx context.Context, a *attacker) error {
	return beside(ctx, func(ctx context.Context) error {
		return a.writing(ctx, 50*time.Millisecond, `insert into words (word) select 'zé' || i from generate_series(1, 10) i`)
	}, func(ctx context.Context) error {
		return a.crowd(ctx, several, func(ctx context.Context, n int) error {
			return a.connected(ctx, a.caller(), func(s *socket) error {
				_, err := s.join(fmt.Sprintf("words%d", n), many(10_000, func(i int) map[string]any {
					return bind("words", fmt.Sprintf("word=gt.bé%d-%d", n, i))
				}))
				return stay(ctx, err)
			})
		})
	})
}

// many are n bindings.
func many(n int, binding func(i int) map[string]any) map[string]any {
	all := make([]map[string]any, n)
	for i := range all {
		all[i] = binding(i)
	}
	return bindings(all...)
}
