package filters

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"walcast/internal/devdb"
	"walcast/replication/catalog"
	"walcast/replication/wal"
)

// lab is a database that evaluates calls one by one, each in its own block.
type lab struct {
	pool    *pgxpool.Pool
	catalog catalog.Catalog
	locale  Locale
	asked   []Call // by Ask
}

// newLab opens a database with a locale, "C" or "C.UTF-8".
func newLab(t testing.TB, locale string) *lab {
	t.Helper()
	db := devdb.Open(t)
	name := db.Name + "_locale"
	db.Exec(fmt.Sprintf(`create database %s locale '%s' template template0`, name, locale))
	t.Cleanup(func() { db.Exec("drop database " + name + " with (force)") })
	config, err := pgxpool.ParseConfig(db.Server.DSN(name))
	if err != nil {
		t.Fatal(err)
	}
	for setting, value := range map[string]string{"TimeZone": "UTC", "DateStyle": "ISO, MDY", "IntervalStyle": "postgres", "extra_float_digits": "3", "bytea_output": "hex"} {
		config.ConnConfig.RuntimeParams[setting] = value
	}
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	l := &lab{pool: pool, catalog: catalog.New(pool, nil), locale: Locale{Collate: locale, Ctype: locale, TimeZone: "UTC"}}
	l.exec(t, `create function decide(expression text, value text, literal text, out truth boolean, out printed text, out state text, out message text)
		language plpgsql as $$
		declare detail text;
		begin
			if expression like '%format%' then
				execute 'select ' || expression into printed using value, literal;
			else
				execute 'select ' || expression into truth using value, literal;
			end if;
		exception when others then
			get stacked diagnostics state = returned_sqlstate, message = message_text, detail = pg_exception_detail;
			if detail <> '' then message := message || e'\n\n' || detail; end if;
		end $$`)
	return l
}

func (l *lab) exec(t testing.TB, sql string) {
	t.Helper()
	if _, err := l.pool.Exec(context.Background(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// sql is a call as an expression over $1, the value, and $2, the literal.
func (c Call) sql() string {
	typ := fmt.Sprintf("%q.%q", c.Schema, c.Type)
	literal := "$2::" + typ
	if c.Array && !strings.HasPrefix(c.Type, "_") {
		literal += "[]"
	}
	if c.Op == Like || c.Op == ILike || c.Op == Match || c.Op == IMatch {
		if c.Type != "bytea" {
			literal = "$2::text"
		}
	}
	operator, ok := map[Operator]string{
		Eq: "=", Neq: "<>", Lt: "<", Lte: "<=", Gt: ">", Gte: ">=", Like: "~~", ILike: "~~*", Match: "~", IMatch: "~*",
		IsDistinct: "is distinct from", Contains: "@>", ContainedBy: "<@", Overlaps: "&&", In: "= any",
	}[c.Op]
	switch {
	case c.Op == "":
		return "format('%s', " + literal + ")"
	case !ok:
		panic("no SQL for operator " + c.Op)
	case c.Op == In:
		literal = "(" + literal + ")"
	}
	return fmt.Sprintf("$1::%s %s %s", typ, operator, literal)
}

// decision is what decide returns.
type decision struct {
	Truth                   *bool
	Printed, State, Message *string
}

func (d decision) answer() Answer {
	a := Answer{Truth: Unknown}
	if d.State != nil {
		a.Err = NewBindError(*d.State, *d.Message)
	}
	if d.Truth != nil {
		a.Truth = truth(*d.Truth)
	}
	if d.Printed != nil {
		a.Text = *d.Printed
	}
	return a
}

// decide evaluates expressions over pairs of values, of which either may be
// NULL.
func (l *lab) decide(ctx context.Context, expressions []string, values, literals []*string) ([]decision, error) {
	rows, err := l.pool.Query(ctx, `select d.truth, d.printed, d.state, d.message
		from unnest($1::text[], $2::text[], $3::text[]) with ordinality as q (expression, value, literal, ordinal),
			decide(expression, value, literal) as d order by ordinal`, expressions, values, literals)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[decision])
}

// Ask implements Asker.
func (l *lab) Ask(ctx context.Context, _ Subject, calls []Call) ([]Answer, error) {
	l.asked = append(l.asked, calls...)
	sql := make([]string, len(calls))
	values, literals := make([]*string, len(calls)), make([]*string, len(calls))
	for i := range calls {
		sql[i], values[i], literals[i] = calls[i].sql(), &calls[i].Value, &calls[i].Literal
	}
	decisions, err := l.decide(ctx, sql, values, literals)
	answers := make([]Answer, len(decisions))
	for i, d := range decisions {
		answers[i] = d.answer()
	}
	return answers, err
}

// relation describes a table of the database.
func (l *lab) relation(t testing.TB, table string) *wal.Relation {
	t.Helper()
	ctx := context.Background()
	rel := wal.Relation{Schema: "public", Table: table, ReplicaIdentity: wal.IdentityFull}
	if err := l.pool.QueryRow(ctx, "select $1::regclass::oid", table).Scan(&rel.OID); err != nil {
		t.Fatal(err)
	}
	rows, err := l.pool.Query(ctx, "select attname, atttypid from pg_attribute where attrelid = $1 and attnum > 0 and not attisdropped order by attnum", rel.OID)
	if err != nil {
		t.Fatal(err)
	}
	type attribute struct {
		Name string
		Type uint32
	}
	attributes, err := pgx.CollectRows(rows, pgx.RowToStructByPos[attribute])
	if err != nil {
		t.Fatal(err)
	}
	var oids []uint32
	for _, a := range attributes {
		oids = append(oids, a.Type)
	}
	d, err := l.catalog.Describe(ctx, rel.OID, oids)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range attributes {
		rel.Columns = append(rel.Columns, wal.Column{Name: a.Name, Type: d.Types[a.Type], Modifier: -1, Identity: true})
	}
	return wal.NewRelation(rel)
}
