package datum

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"walcast/internal/devdb"
	"walcast/replication/catalog"
	"walcast/replication/wal"
)

// lab is a database that answers how its types read and compare.
type lab struct {
	conn    *pgx.Conn
	catalog catalog.Catalog
}

// labTypes are types that a test can name.
const labTypes = `
	create extension citext;
	create type mood as enum ('sad', 'ok', 'happy', 'Zed', 'a b');
	create domain positive as int check (value > 0);
	create domain label as text;
	create domain short as varchar(3);
	create domain money_amount as numeric(8,2);
	create domain mood_domain as mood;
	create function read_literal(type text, literal text, out printed text, out state text, out message text)
	language plpgsql as $$
	declare detail text;
	begin
		execute format('select format(''%%s'', $1::%s)', type) into printed using literal;
	exception when others then
		get stacked diagnostics state = returned_sqlstate, message = message_text, detail = pg_exception_detail;
		if detail <> '' then message := message || e'\n\n' || detail; end if;
	end $$;
	create function compare_values(type text, a text, b text) returns text
	language plpgsql as $$
	declare result text;
	begin
		execute format('select case when $1::%1$s = $2::%1$s then ''='' when $1::%1$s < $2::%1$s then ''<'' else ''>'' end', type) into result using a, b;
		return result;
	end $$;`

func newLab(t *testing.T) *lab {
	t.Helper()
	db := devdb.Open(t)
	db.Exec(labTypes)
	config, err := pgx.ParseConfig(db.DSN)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"TimeZone": "UTC", "DateStyle": "ISO, YMD", "IntervalStyle": "postgres", "extra_float_digits": "3", "bytea_output": "hex"} {
		config.RuntimeParams[name] = value
	}
	conn, err := pgx.ConnectConfig(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return &lab{conn, catalog.New(db.Pool, nil)}
}

// typeNamed asks the catalog about a type.
func (l *lab) typeNamed(t *testing.T, name string) *wal.Type {
	t.Helper()
	ctx := context.Background()
	var oid uint32
	if err := l.conn.QueryRow(ctx, "select $1::regtype::oid", name).Scan(&oid); err != nil {
		t.Fatal(err)
	}
	d, err := l.catalog.Describe(ctx, 0, []uint32{oid})
	if err != nil || d.Types[oid] == nil {
		t.Fatalf("Describe(%s) = %v, %v", name, d, err)
	}
	return d.Types[oid]
}

// reading is what Postgres makes of a literal.
type reading struct {
	Printed, State, Message *string
}

func (l *lab) read(ctx context.Context, typeName string, literals []string) ([]reading, error) {
	rows, err := l.conn.Query(ctx, `select r.printed, r.state, r.message
		from unnest($2::text[]) with ordinality as l (literal, ordinal), read_literal($1, literal) as r order by ordinal`, typeName, literals)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[reading])
}

func (l *lab) compare(ctx context.Context, typeName string, a, b []string) ([]string, error) {
	rows, err := l.conn.Query(ctx, `select compare_values($1, a, b) from unnest($2::text[], $3::text[]) with ordinality as v (a, b, ordinal) order by ordinal`, typeName, a, b)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// describe renders a reading for a failure.
func (r reading) describe() string {
	if r.State != nil {
		return fmt.Sprintf("refuses with %s %q", *r.State, *r.Message)
	}
	return fmt.Sprintf("prints %q", *r.Printed)
}
