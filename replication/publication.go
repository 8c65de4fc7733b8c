package replication

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgconn"

	"walcast/replication/catalog"
)

// publicationTables is what a missing publication is created for.
type publicationTables struct {
	all    bool
	tables []tableName // with all unset and no tables nothing is created
}

// parsePublicationTables reads Config.CreatePublication.
func parsePublicationTables(s string) (publicationTables, error) {
	switch s {
	case "", "none":
		return publicationTables{}, nil
	case "all-tables":
		return publicationTables{all: true}, nil
	}
	tables, err := parseTableNames(s)
	return publicationTables{tables: tables}, err
}

func (p publicationTables) none() bool { return !p.all && len(p.tables) == 0 }

// statement is the SQL that creates the publication.
func (p publicationTables) statement(name string) string {
	create := "CREATE PUBLICATION " + quoteIdentifier(name)
	switch {
	case p.all:
		return create + " FOR ALL TABLES"
	case len(p.tables) == 0:
		return create + " FOR TABLE …"
	}
	names := make([]string, len(p.tables))
	for i, table := range p.tables {
		names[i] = table.String()
	}
	return create + " FOR TABLE " + strings.Join(names, ", ")
}

// publications makes sure that those to read exist.
type publications struct {
	names    []string
	create   publicationTables // what a missing one is created for
	optional *optionalPublications
	skipped  *atomic.Bool // changes were passed over, as a publication was missing
	logger   *slog.Logger
}

// survivableVersion is the oldest Postgres that reads on where a publication is
// missing, without the changes of that one.
const survivableVersion = 180000

// survive reports whether changes still come from a server where those publications
// are missing. At the start all have to be there.
func (p publications) survive(missing []string, version int) bool {
	return version >= survivableVersion && len(missing) < len(p.names)
}

// ensure creates what is missing, if the settings say so. It is called before
// a slot is created: a slot that is older than its publication cannot decode
// what lies between the two. goesOn says that a stream may go on without some of them.
func (p publications) ensure(ctx context.Context, db querier, goesOn func(missing []string) bool) error {
	missing, err := p.missing(ctx, db)
	if err != nil {
		return err
	}
	if len(missing) == 0 {
		return p.warnBroken(ctx, db)
	}
	if goesOn(missing) {
		return nil // the watch over the stream tells
	}
	if p.create.none() {
		return publicationMissing(missing, p.create)
	}
	if err := p.check(ctx, db); err != nil {
		return err
	}
	for _, name := range missing {
		if err := p.add(ctx, db, name); err != nil {
			return err
		}
	}
	return p.warnBroken(ctx, db)
}

// missing returns the names that do not exist, in the order of the setting.
func (p publications) missing(ctx context.Context, db querier) ([]string, error) {
	found, err := queryStrings(ctx, db, `select pubname::text from pg_publication where pubname = any ($1)`, p.names)
	if err != nil {
		return nil, fmt.Errorf("look for publications: %w", err)
	}
	return slices.DeleteFunc(slices.Clone(p.names), func(name string) bool { return slices.Contains(found, name) }), nil
}

func publicationMissing(missing []string, create publicationTables) *fault {
	quoted := make([]string, len(missing))
	for i, name := range missing {
		quoted[i] = quoteIdentifier(name)
	}
	noun := "publication " + quoted[0] + " does not exist"
	if len(quoted) > 1 {
		noun = "publications " + strings.Join(quoted, ", ") + " do not exist"
	}
	return &fault{remedy: operate, cause: causePublication, advice: noun + ": run " + create.statement(missing[0]) +
		" as the owner of the tables, or set create-publication to all-tables or to a list of tables"}
}

// add creates one publication. Another program may have been faster.
func (p publications) add(ctx context.Context, db querier, name string) error {
	statement := p.create.statement(name)
	_, err := db.Exec(ctx, statement)
	var pg *pgconn.PgError
	switch {
	case err == nil:
		p.logger.Info("publication created", "publication", name, "statement", statement)
		if p.create.all {
			p.logger.Warn("publication is for all tables: UPDATE and DELETE will fail on every future table without a primary key or REPLICA IDENTITY",
				"publication", name)
		}
		return nil
	case !errors.As(err, &pg):
		return fmt.Errorf("create publication %q: %w", name, err)
	case pg.Code == "42710" || pg.Code == "23505": // duplicate object, or just being created
		return nil
	case pg.Code == "42501":
		return &fault{remedy: operate, cause: causePermission, err: err, advice: "publication " + quoteIdentifier(name) +
			" does not exist and this role may not create it: run " + statement + " as the owner of the tables (for all tables: as superuser)"}
	}
	return &fault{
		remedy: operate, cause: causeConfiguration, err: err,
		advice: "publication " + quoteIdentifier(name) + " could not be created: correct create-publication",
	}
}

// check refuses a publication that would break the application: on a table
// without a usable replica identity every UPDATE and DELETE would fail.
func (p publications) check(ctx context.Context, db querier) error {
	if err := p.checkTables(ctx, db); err != nil {
		return err
	}
	tables := catalog.New(db, p.names)
	look := tables.UnidentifiedOfAll
	if !p.create.all {
		look = func(ctx context.Context) ([]string, error) { return tables.UnidentifiedOf(ctx, p.create.texts()) }
	}
	broken, err := look(ctx)
	if err != nil {
		return err
	}
	if len(broken) == 0 {
		return nil
	}
	return &fault{remedy: operate, cause: causeConfiguration, advice: "publishing " + abridged(broken) +
		" would make every UPDATE and DELETE there fail, as there is no primary key: run ALTER TABLE " + broken[0] +
		" ADD PRIMARY KEY (…) or ALTER TABLE " + broken[0] + " REPLICA IDENTITY FULL, or leave it out of create-publication"}
}

// checkTables refuses what does not exist or can never be published.
func (p publications) checkTables(ctx context.Context, db querier) error {
	if p.create.all {
		return nil
	}
	wrong, err := queryStrings(ctx, db, `
		select name || case
				when c.oid is null then ' does not exist'
				when c.relkind not in ('r', 'p') then ' is not a table'
				else ' is temporary or unlogged' end
		from unnest($1::text[]) with ordinality as wanted(name, ordinal)
		left join pg_class c on c.oid = to_regclass(name)
		where c.oid is null or c.relkind not in ('r', 'p') or c.relpersistence <> 'p'
		order by ordinal`, p.create.texts())
	if err != nil {
		return fmt.Errorf("look for the tables of create-publication: %w", err)
	}
	if len(wrong) == 0 {
		return nil
	}
	return &fault{
		remedy: operate, cause: causeConfiguration,
		advice: "create-publication: " + strings.Join(wrong, ", ") + "; only ordinary and partitioned tables can be published",
	}
}

func (p publicationTables) texts() []string {
	texts := make([]string, len(p.tables))
	for i, table := range p.tables {
		texts[i] = table.String()
	}
	return texts
}

// warnBroken logs which published tables cannot be updated, for want of a replica
// identity. Only the tables' owner can change that.
func (p publications) warnBroken(ctx context.Context, db querier) error {
	broken, err := catalog.New(db, p.names).Unidentified(ctx)
	if err != nil {
		return err
	}
	if len(broken) > 0 {
		p.logger.Warn("UPDATE and DELETE fail on published tables without a primary key: add one, or set REPLICA IDENTITY FULL",
			"tables", abridged(broken))
	}
	return nil
}

// abridged names the first few of a list.
func abridged(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
