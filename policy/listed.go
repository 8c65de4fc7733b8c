package policy

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// listed is published tables, and roles. They are looked at before anybody asks for their
// rows: whoever does first may get rows from just before, and access is known to have
// been the same then.
type listed struct {
	found  []dependency
	read   time.Time
	looked time.Time
}

// listedAge is how old the list may be. What is newer is not looked at before somebody
// asks for it.
const listedAge = 2 * time.Second

// listedSQL finds the newest tables, of which it takes 100, with their partitioned roots
// and their schemas, and the newest 100 roles. It reads what is published from the catalog
// itself: pg_publication_tables waits for exclusive locks that users hold on tables. Of
// schemas that are published it goes by their dependencies, as before version 15 there is
// no catalog of them.
const listedSQL = `with recursive published (oid) as (
	(select r.prrelid from pg_publication_rel r
		union select c.oid from pg_class c where c.relkind in ('r', 'p') and c.relpersistence = 'p' and c.oid >= 16384
			and (exists (select from pg_publication p where p.puballtables) or c.relnamespace in (select d.refobjid from pg_depend d
				where d.classid = to_regclass('pg_catalog.pg_publication_namespace') and d.refclassid = 'pg_namespace'::regclass)))
	union select i.inhrelid from published join pg_inherits i on i.inhparent = published.oid join pg_class c on c.oid = i.inhrelid and c.relispartition),
newest as (select c.oid, c.relispartition, c.relnamespace from published join pg_class c on c.oid = published.oid order by c.oid desc limit 100)
select '` + string(dependAccess) + `', n.oid from newest n
union select '` + string(dependAccess) + `', a.relid::oid from newest n, pg_partition_ancestors(n.oid) a where n.relispartition
union select '` + string(dependSchema) + `', n.relnamespace from newest n
union (select '` + string(dependRole) + `', r.oid from pg_roles r where r.oid >= 16384 order by r.oid desc limit 100)`

// refresh reads the list if it is old, over a session whose search_path is catalogPath.
func (p *listed) refresh(ctx context.Context, conn *pgx.Conn, now time.Time) error {
	if p.found != nil && now.Sub(p.read) < listedAge {
		return nil
	}
	rows, err := conn.Query(ctx, listedSQL)
	if err != nil {
		return fmt.Errorf("list published tables: %w", err)
	}
	found, err := pgx.CollectRows(rows, scanDependency)
	if err != nil {
		return fmt.Errorf("list published tables: %w", err)
	}
	p.found, p.read = found, now
	return nil
}

// due is what a look at a time takes along: what is listed, if that was not looked at
// within an age. Rows may wait for the look.
func (p *listed) due(now time.Time, age time.Duration) []dependency {
	if now.Sub(p.looked) < age {
		return nil
	}
	p.looked = now
	return p.found
}
