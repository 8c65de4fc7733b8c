package replication

import (
	"context"
	"fmt"
)

// differingQuery lists the tables of which publications have different columns. Lists of
// columns exist from 15 on; up to 17 the view has generated columns, which are not sent.
const differingQuery = `
	select name from (
		select format('%I.%I', t.schemaname, t.tablename) as name, array(
			select a.attname from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
				and to_jsonb(t) -> 'attnames' ? a.attname::text and (a.attgenerated = '' or current_setting('server_version_num')::int >= 180000)
			order by a.attnum) as columns
		from pg_publication_tables t join pg_namespace n on n.nspname = t.schemaname
		join pg_class c on c.relnamespace = n.oid and c.relname = t.tablename
		where t.pubname = any ($1)) as published
	group by name having count(distinct columns) > 1 order by name`

// agree says of which tables the publications have different columns, nil if of none:
// Postgres ends a stream at the first change of such a table.
func agree(ctx context.Context, db querier, publications []string) error {
	tables, err := queryStrings(ctx, db, differingQuery, publications)
	if err != nil {
		return fmt.Errorf("compare publications: %w", err)
	}
	if len(tables) == 0 {
		return nil
	}
	return &fault{remedy: operate, cause: causeLists, advice: "the publications have different columns of " + abridged(tables) +
		", which ends the stream: make the lists of columns equal with ALTER PUBLICATION … SET TABLE, or leave the table out of one"}
}
