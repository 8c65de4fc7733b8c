package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"walcast/internal/devdb"
)

// look is what a subject does in the shadow: it selects rows from a table, and
// touches no others, as the index finds them. What raises for one row is asked row by
// row, as a row that raises hides no other;
// what fails without any row, such as a missing grant, hides all. It runs as its
// caller, and what it knows of rights, Postgres tells.
const look = `create schema judge; grant usage on schema judge to public;
create function judge.look(t oid, name text, vers bigint[]) returns jsonb language plpgsql as $look$
declare
	answer jsonb;
	seen bigint[];
	one bigint;
	found bigint[] := '{}';
begin
	answer := jsonb_build_object(
		'guarded', row_security_active(t),
		'columns', case when has_schema_privilege((select relnamespace from pg_class where oid = t), 'usage') then
			(select jsonb_agg(attname) from pg_attribute
			where attrelid = t and attnum > 0 and not attisdropped and has_column_privilege(t, attnum, 'select')) end);
	perform set_config('enable_seqscan', 'off', true);
	begin
		execute 'select ver from ' || name || ' limit 0';
		begin
			execute 'select array_agg(ver) from ' || name || ' where ver = any ($1)' into seen using vers;
		exception when others then
			foreach one in array vers loop
				begin
					execute 'select array_agg(ver) from ' || name || ' where ver = ' || one into seen;
					found := found || seen;
				exception when others then null;
				end;
			end loop;
			seen := found;
		end;
	exception when others then null;
	end;
	return answer || jsonb_build_object('seen', to_jsonb(seen));
end $look$;
create table judge.filtered (ver bigint, id int, owner uuid, org text, body text, num int, pin text)`

// shadow is a Postgres in which the history is done again.
type shadow struct {
	world  *world
	server *devdb.Server
	db     *pgx.Conn
	oids   []uint32 // of the tables
	odd    int      // versions that could not be put there
}

func newShadow(ctx context.Context, w *world) (_ *shadow, err error) {
	s := &shadow{world: w}
	if s.server, err = devdb.Start(ctx, devdb.Options{Settings: map[string]string{"autovacuum": "off", "jit": "off"}}); err != nil {
		return nil, err
	}
	if err := s.build(ctx); err != nil {
		return nil, errors.Join(err, s.close(ctx))
	}
	return s, nil
}

func (s *shadow) build(ctx context.Context) error {
	config, err := pgx.ParseConfig(s.server.DSN("postgres"))
	if err != nil {
		return err
	}
	// No plans are kept: every statement meets other rules.
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	if s.db, err = pgx.ConnectConfig(ctx, config); err != nil {
		return err
	}
	if err := build(ctx, s.db, s.world.create(true)); err != nil {
		return err
	}
	if _, err := s.db.PgConn().Exec(ctx, look).ReadAll(); err != nil {
		return fmt.Errorf("make the trial: %w", err)
	}
	for _, t := range s.world.tables {
		var oid uint32
		if err := s.db.QueryRow(ctx, "select to_regclass($1)::oid", t.String()).Scan(&oid); err != nil {
			return fmt.Errorf("find %s: %w", t, err)
		}
		s.oids = append(s.oids, oid)
	}
	return nil
}

// build makes a world.
func build(ctx context.Context, db *pgx.Conn, statements []string) error {
	if err := devdb.CreateSupabaseRoles(ctx, db); err != nil {
		return err
	}
	for _, statement := range statements {
		if _, err := db.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

func (s *shadow) close(ctx context.Context) (err error) {
	if s.db != nil {
		err = s.db.Close(ctx)
	}
	return errors.Join(err, s.server.Stop())
}

// filter asks Postgres which versions the filters match.
func (s *shadow) filter(ctx context.Context, versions []*version) error {
	names := []string{"ver", "id", "owner", "org", "body", "num", "pin"}
	byNumber := map[int64]*version{}
	for start := 0; start < len(versions); start += 500 {
		part := versions[start:min(start+500, len(versions))]
		if _, err := s.db.PgConn().Exec(ctx, insert("judge.filtered", names, part)).ReadAll(); err != nil {
			return fmt.Errorf("filter versions: %w", err)
		}
		for _, v := range part {
			byNumber[v.number] = v
		}
	}
	for i, f := range filters {
		rows, err := s.db.Query(ctx, "select ver from judge.filtered where "+f.sql)
		if err != nil {
			return fmt.Errorf("filter versions: %w", err)
		}
		var number int64
		if _, err := pgx.ForEachRow(rows, []any{&number}, func() error { byNumber[number].matches |= 1 << i; return nil }); err != nil {
			return fmt.Errorf("filter versions by %s: %w", f.sql, err)
		}
	}
	return nil
}

// insert is a statement that writes versions as they were.
func insert(table string, columns []string, versions []*version) string {
	var out strings.Builder
	fmt.Fprintf(&out, "insert into %s (%s) values ", table, strings.Join(columns, ", "))
	for i, v := range versions {
		if i > 0 {
			out.WriteString(", ")
		}
		for k, c := range columns {
			out.WriteString(map[bool]string{true: "(", false: ", "}[k == 0])
			if text := v.values[c]; text == nil {
				out.WriteString("null")
			} else {
				out.WriteString("'" + strings.ReplaceAll(*text, "'", "''") + "'")
			}
		}
		out.WriteString(")")
	}
	return out.String()
}

// opinion is what look returns.
type opinion struct {
	Guarded bool
	Columns []string
	Seen    []int64
}

// glance is one call of look; its answer is found by it.
type glance struct{ era, subject, table int }

// testimony is what Postgres has said. Without an opinion nothing is visible:
// what is asked has been looked at.
type testimony struct {
	opinions map[glance]*known
	values   map[int]map[int64]map[string]json.RawMessage // by era and version
	readings map[[2]int]reading                           // by era and table
}

// known is an opinion, prepared for being asked.
type known struct {
	guarded bool
	columns map[string]bool
	seen    map[int64]bool
}

func (t *testimony) visible(era, subject int, row *version) bool {
	k := t.opinions[glance{era, subject, row.table}]
	return k != nil && k.seen[row.number]
}

func (t *testimony) granted(era, subject, table int, column string) bool {
	k := t.opinions[glance{era, subject, table}]
	return k != nil && k.columns[column]
}

func (t *testimony) guarded(era, subject, table int) bool {
	k := t.opinions[glance{era, subject, table}]
	return k != nil && k.guarded
}

func (t *testimony) value(era int, row *version, column string) json.RawMessage {
	return t.values[era][row.number][column]
}

func (o opinion) known() *known {
	k := &known{guarded: o.Guarded, columns: map[string]bool{}, seen: map[int64]bool{}}
	for _, c := range o.Columns {
		k.columns[c] = true
	}
	for _, v := range o.Seen {
		k.seen[v] = true
	}
	return k
}
