package migrations

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// Apply makes the schema realtime, or brings one that walcast made up to date,
// grants it to the client roles that exist and does the upkeep. It may be
// called at every start and by several nodes at once. A schema that somebody
// else made is only looked at: Report.Gaps then says what the server will miss.
//
// The connection's role must be owner of the database, or at least may create
// schemas and publications in it.
func Apply(ctx context.Context, conn *pgx.Conn, logger *slog.Logger) (Report, error) {
	var report Report
	err := locked(ctx, conn, func() error {
		origin, err := findOrigin(ctx, conn)
		if err != nil {
			return err
		}
		if report.Foreign = origin == foreign; !report.Foreign {
			if report.Applied, err = applyDue(ctx, conn, origin, logger); err != nil {
				return err
			}
			if report.Granted, report.Absent, err = grant(ctx, conn); err != nil {
				return err
			}
		}
		if report.Gaps, err = findGaps(ctx, conn); err != nil {
			return err
		}
		report.Upkeep, err = Maintain(ctx, conn, time.Now())
		return err
	})
	return report, err
}

// applyDue applies the migrations that have not been, each in a transaction,
// and returns their names.
func applyDue(ctx context.Context, conn *pgx.Conn, origin origin, logger *slog.Logger) ([]string, error) {
	all, err := load()
	if err != nil {
		return nil, err
	}
	done, err := appliedVersions(ctx, conn, origin)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, m := range all {
		if slices.Contains(done, m.version) {
			continue
		}
		if err := execTx(ctx, conn, m.sql); err != nil {
			return names, fmt.Errorf("apply migration %s: %w", m.name, err)
		}
		logger.InfoContext(ctx, "migration applied", "component", "migrations", "migration", m.name)
		names = append(names, m.name)
	}
	return names, nil
}

func appliedVersions(ctx context.Context, conn *pgx.Conn, origin origin) ([]int, error) {
	if origin == absent {
		return nil, nil
	}
	rows, err := conn.Query(ctx, `select version from realtime.walcast_migrations`)
	if err != nil {
		return nil, fmt.Errorf("read applied migrations: %w", err)
	}
	versions, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		return nil, fmt.Errorf("read applied migrations: %w", err)
	}
	return versions, nil
}

// execTx runs several statements as one transaction.
func execTx(ctx context.Context, conn *pgx.Conn, sql string) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, sql)
		return err
	})
}

// grant lets client roles use the schema, and says which exist.
func grant(ctx context.Context, conn *pgx.Conn) (granted, absent []string, err error) {
	sql, err := text("grants.sql")
	if err != nil {
		return nil, nil, err
	}
	if err := execTx(ctx, conn, sql); err != nil {
		return nil, nil, fmt.Errorf("grant schema realtime to client roles: %w", err)
	}
	const roles = `select r, to_regrole(r) is not null from unnest(array['anon', 'authenticated', 'service_role']) r`
	var role string
	var exists bool
	rows, err := conn.Query(ctx, roles)
	if err != nil {
		return nil, nil, fmt.Errorf("look for client roles: %w", err)
	}
	_, err = pgx.ForEachRow(rows, []any{&role, &exists}, func() error {
		if exists {
			granted = append(granted, role)
		} else {
			absent = append(absent, role)
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("look for client roles: %w", err)
	}
	return granted, absent, nil
}

// findGaps asks what the server needs and the schema lacks.
func findGaps(ctx context.Context, conn *pgx.Conn) ([]Gap, error) {
	var usable bool
	if err := conn.QueryRow(ctx, `select has_schema_privilege('realtime', 'usage')`).Scan(&usable); err != nil {
		return nil, fmt.Errorf("look into schema realtime: %w", err)
	}
	if !usable {
		return []Gap{{
			Object:  "usage of schema realtime",
			Without: "private channels and messages from SQL do not work",
			Remedy:  "grant usage on schema realtime to " + pgx.Identifier{conn.Config().User}.Sanitize(),
		}}, nil
	}
	sql, err := text("gaps.sql")
	if err != nil {
		return nil, err
	}
	rows, err := conn.Query(ctx, sql)
	if err != nil {
		return nil, fmt.Errorf("look for what schema realtime lacks: %w", err)
	}
	gaps, err := pgx.AppendRows([]Gap(nil), rows, pgx.RowToStructByPos[Gap])
	if err != nil {
		return nil, fmt.Errorf("look for what schema realtime lacks: %w", err)
	}
	return gaps, nil
}
