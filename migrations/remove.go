package migrations

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Remove takes back what Apply made, messages included, and nothing else; in
// one transaction, so that it is all or nothing. Objects of others that need
// something of ours, such as a view of messages, are an error that names them.
// A schema that others have put things into stays, with Removal.Blocked set.
func Remove(ctx context.Context, conn *pgx.Conn) (Removal, error) {
	var removal Removal
	err := locked(ctx, conn, func() error {
		origin, err := findOrigin(ctx, conn)
		if err != nil || origin == absent {
			return err
		}
		if origin == foreign {
			removal.Foreign = true
			return nil
		}
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			removal, err = removeOwn(ctx, tx)
			return err
		})
	})
	return removal, err
}

func removeOwn(ctx context.Context, tx pgx.Tx) (removal Removal, err error) {
	rows, err := tx.Query(ctx, `select o from realtime.walcast_migrations, unnest(objects) with ordinality u(o, n) order by version, n`)
	if err != nil {
		return removal, fmt.Errorf("read what was made: %w", err)
	}
	objects, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return removal, fmt.Errorf("read what was made: %w", err)
	}
	slices.Reverse(objects)
	slices.SortStableFunc(objects, func(a, b string) int { return rank(a) - rank(b) })
	for _, object := range objects {
		blocked, err := drop(ctx, tx, object)
		switch {
		case err != nil:
			return Removal{}, fmt.Errorf("drop %s: %w", object, err)
		case blocked != "":
			removal.Blocked = blocked
		default:
			removal.Dropped = append(removal.Dropped, object)
		}
	}
	return removal, nil
}

// rank puts messages before functions: its policies, which are others' but go
// with it, may need realtime.topic().
func rank(object string) int {
	kind, _, _ := strings.Cut(object, " ")
	return slices.Index([]string{"publication", "view", "table", "function", "schema"}, kind)
}

// drop takes back an object, written as "kind identity". What depends on it is
// an error, except for the schema: then it stays, and blocked says why.
func drop(ctx context.Context, tx pgx.Tx, object string) (blocked string, err error) {
	kind, identity, _ := strings.Cut(object, " ")
	err = pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "drop "+kind+" if exists "+identity)
		return err
	})
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || pgErr.Code != "2BP01" { // dependent_objects_still_exist
		return "", err
	}
	if kind == "schema" {
		return pgErr.Detail, nil
	}
	return "", fmt.Errorf("%w: %s", err, pgErr.Detail)
}
