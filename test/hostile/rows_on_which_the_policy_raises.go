package hostile

import (
	"context"
	"fmt"
	"time"
)

// rowsOnWhichThePolicyRaises writes rows on which a policy of the app raises an
// internal error (XX000), and subscribes to them.
type rowsOnWhichThePolicyRaises struct{}

func (rowsOnWhichThePolicyRaises) world() []string {
	return []string{
		`create table documents (id bigint generated always as identity primary key, path text)`,
		`grant select, insert on documents to authenticated`,
		`alter table documents enable row level security`,
		`create policy matching on documents for select to authenticated using (xpath_exists(path, '<a/>'::xml))`,
		`create policy own on documents for insert to authenticated with check (true)`,
	}
}

func (rowsOnWhichThePolicyRaises) run(ctx context.Context, a *attacker) error {
	return beside(ctx, func(ctx context.Context) error {
		return a.writing(ctx, 100*time.Millisecond, `insert into documents (path) values ('/a[')`)
	}, func(ctx context.Context) error {
		return a.crowd(ctx, several, func(ctx context.Context, n int) error {
			return a.connected(ctx, a.caller(), func(s *socket) error {
				_, err := s.join(fmt.Sprintf("documents%d", n), bindings(bind("documents", "")))
				return stay(ctx, err)
			})
		})
	})
}
