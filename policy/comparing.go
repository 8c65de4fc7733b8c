package policy

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"walcast/filters"
)

// comparing has Postgres evaluate calls of one form, and holds their answers.
type comparing struct {
	operators *Operators
	form      form
	subject   filters.Subject // nil means our own user
	calls     []filters.Call
	answers   []filters.Answer
	late      int // how many statements took too long
}

// lateMost is how many statements may take too long. After these all calls
// without an answer count as too slow.
const lateMost = 4

// ask asks about the calls at the indexes, and again in halves if one of them raises.
func (c *comparing) ask(ctx context.Context, indexes []int) error {
	if c.subject == nil && c.form.schema != "pg_catalog" {
		c.refuse(indexes, &pgconn.PgError{Code: codeInsufficientPrivilege, Message: "type " + c.form.typ + " is asked about as a subject only"})
		return nil
	}
	if c.late >= lateMost {
		c.refuse(indexes, &pgconn.PgError{Code: codeQueryCanceled, Message: "canceling statement due to statement timeout"})
		return nil
	}
	whole, err := c.run(ctx, indexes)
	raised, answered := postgresError(err)
	switch {
	case err == nil:
		return nil
	case !answered:
		return err
	}
	if raised.Code == codeQueryCanceled {
		c.late++
	}
	if whole || len(indexes) == 1 || c.late >= lateMost {
		c.refuse(indexes, raised)
		return nil
	}
	half := len(indexes) / 2
	if err := c.ask(ctx, indexes[:half]); err != nil {
		return err
	}
	return c.ask(ctx, indexes[half:])
}

// refuse answers the calls at the indexes with an error.
func (c *comparing) refuse(indexes []int, raised *pgconn.PgError) {
	message := raised.Message
	if raised.Detail != "" {
		message += "\n\n" + raised.Detail
	}
	if !ownContext(raised) {
		message = "a function of the database raised this error for it"
	}
	for _, at := range indexes {
		c.answers[at] = filters.Answer{Err: filters.NewBindError(raised.Code, message)}
	}
}

// comparisonSQL sets what the text of values depends on. TimeZone and the order of
// day and month stay the database's, as its users expect that of literals.
const comparisonSQL = `select pg_catalog.set_config('DateStyle', 'ISO', true), pg_catalog.set_config('bytea_output', 'hex', true),
	pg_catalog.set_config('extra_float_digits', '3', true)`

// actor returns the actor that asks.
func (c *comparing) actor() actor {
	a := actor{role: "none", path: catalogPath, timeout: c.operators.timeout} // "none" is our own user
	if c.subject != nil {
		a.role, a.claims = c.subject.Actor()
	}
	return a
}

// prepare has the statement parsed under a path. It takes the operators of the type's
// home or, if there is none, the built-in ones, to whose types Postgres may cast.
func (w way) prepare(ctx context.Context, conn *pgx.Conn, path string) (way, error) {
	if conn.Config().DefaultQueryExecMode != pgx.QueryExecModeCacheStatement {
		return w, nil
	}
	if w.anew {
		if err := forget(ctx, conn, w.statement(path)); err != nil {
			return w, err
		}
	}
	err := prepareUnder(ctx, conn, w.parser, path, w.form.sql())
	if raised, ok := postgresError(err); ok && raised.Code == codeUndefinedFunction && w.form.home != "" {
		w.form.home = ""
		err = prepareUnder(ctx, conn, w.parser, path, w.form.sql())
	}
	return w, err
}

// run asks in one statement. whole means that an error concerns all calls.
func (c *comparing) run(ctx context.Context, indexes []int) (whole bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*c.operators.timeout) // for a server that hangs
	defer cancel()
	a := c.actor()
	if c.subject != nil && !(possibleRole(a.role) && storable(a.claims)) {
		return true, &pgconn.PgError{Code: codeUndefinedObject, Message: (&RoleError{Role: a.role}).Error()}
	}
	conn, err := acquireFrom(ctx, c.operators.pool)
	if err != nil {
		return false, err
	}
	defer conn.Release()
	acting, err := c.runOne(ctx, conn.Conn(), a, way{form: c.form}, indexes)
	if barred(err) {
		acting, err = c.runElsewise(ctx, conn.Conn(), a, indexes, acting, err)
	}
	if e := leave(ctx, conn.Conn()); err == nil {
		err = e
	}
	return !acting, err
}

// runOne asks in one way. If that is barred no transaction stays open.
func (c *comparing) runOne(ctx context.Context, conn *pgx.Conn, a actor, w way, indexes []int) (acting bool, err error) {
	w, err = w.prepare(ctx, conn, a.path)
	if err != nil {
		return false, err
	}
	acting, err = c.converse(ctx, conn, a, w, indexes)
	if barred(err) && conn.PgConn().TxStatus() != 'I' {
		if _, e := conn.Exec(ctx, rollback); e != nil {
			return acting, e
		}
	}
	return acting, err
}

// converse sends one transaction and reads the answers. acting means that Postgres
// let us become the subject.
func (c *comparing) converse(ctx context.Context, conn *pgx.Conn, a actor, w way, indexes []int) (acting bool, err error) {
	args, err := c.arguments(conn.TypeMap(), indexes)
	if err != nil {
		return false, err
	}
	pipeline := conn.PgConn().StartPipeline(ctx)
	a.begin(pipeline)
	pipeline.SendQueryParams(comparisonSQL, nil, nil, nil, nil)
	if conn.Config().DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
		pipeline.SendQueryPrepared(w.statement(a.path), args, nil, nil)
	} else {
		pipeline.SendQueryParams(w.form.sql(), args, nil, nil, nil)
	}
	a.end(pipeline)
	err = pipeline.Sync()
	for statement := 0; err == nil && statement < 5; statement++ {
		acting = statement > 1
		err = c.receive(pipeline, statement == 3, indexes)
	}
	if e := pipeline.Close(); err == nil {
		err = e
	}
	return acting, err
}

// arguments returns the values and the literals as two arrays of text.
func (c *comparing) arguments(types *pgtype.Map, indexes []int) ([][]byte, error) {
	values, literals := make([]string, len(indexes)), make([]string, len(indexes))
	for i, at := range indexes {
		values[i], literals[i] = c.calls[at].Value, c.calls[at].Literal
	}
	args := make([][]byte, 2)
	for i, texts := range [][]string{values, literals} {
		var err error
		if args[i], err = types.Encode(pgtype.TextArrayOID, pgtype.TextFormatCode, texts, nil); err != nil {
			return nil, err
		}
	}
	return args, nil
}

// receive reads the result of one statement. The result of the comparison has one
// row for each index, in their order.
func (c *comparing) receive(pipeline *pgconn.Pipeline, compares bool, indexes []int) error {
	results, err := pipeline.GetResults()
	if err != nil {
		return err
	}
	reader, ok := results.(*pgconn.ResultReader)
	if !ok {
		return fmt.Errorf("unexpected result %T", results)
	}
	for i := 0; reader.NextRow(); i++ {
		if !compares {
			continue
		}
		c.answers[indexes[i]] = c.answer(reader.Values())
	}
	_, err = reader.Close()
	return err
}

// answer reads a row of the comparison's result: the truth of a comparison, or the
// text of a literal, which is NULL if it is beyond maxReadBytes.
func (c *comparing) answer(row [][]byte) filters.Answer {
	holds, text := row[0], row[1]
	switch {
	case c.form.op == "" && text == nil:
		return filters.Answer{Err: filters.NewBindError(codeProgramLimitExceeded, "the values of a filter are too long as Postgres prints them")}
	case holds == nil:
		return filters.Answer{Truth: filters.Unknown, Text: string(text)}
	case string(holds) == "t":
		return filters.Answer{Truth: filters.True}
	}
	return filters.Answer{Truth: filters.False}
}

// maxReadBytes bounds how much text one statement returns of the literals that
// Postgres has read: a numeric of a few bytes, such as 1e131071, prints as 131,072
// digits, and an array may repeat it.
const maxReadBytes = 1 << 20

// sql returns the statement that compares, or reads, arrays of values and literals.
func (f form) sql() string {
	const rows = "rows from (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]))" +
		" with ordinality as q (value, literal, ordinal)"
	typ := pgx.Identifier{f.schema, f.typ}.Sanitize()
	literal := "q.literal::" + typ
	if f.array {
		literal += "[]"
	}
	var holds string
	switch f.op {
	case "":
		return fmt.Sprintf("select null::pg_catalog.bool, case when pg_catalog.sum(pg_catalog.octet_length(r.printed)) over (order by r.ordinal) <= %d then r.printed end"+
			" from (select pg_catalog.format('%%s', %s) as printed, q.ordinal from %s) as r order by r.ordinal", maxReadBytes, literal, rows)
	case filters.In:
		holds = "q.value::" + typ + " " + f.operator("=") + " any (" + literal + ")"
	case filters.IsDistinct: // of values that are not NULL
		holds = "not (q.value::" + typ + " " + f.operator("=") + " " + literal + ")"
	case filters.Like, filters.ILike, filters.Match, filters.IMatch:
		if f.typ != "bytea" { // for all other types the pattern is text
			literal = "q.literal::pg_catalog.text"
		}
		fallthrough
	default:
		holds = strings.Join([]string{"q.value::" + typ, f.operator(f.op.Symbol()), literal}, " ")
	}
	return "select " + holds + ", null::pg_catalog.text from " + rows + " order by q.ordinal"
}

// operator writes an operator of the type's home or, without a home, of pg_catalog,
// which is on the search_path.
func (f form) operator(symbol string) string {
	if f.home == "" {
		return symbol
	}
	return "operator(" + pgx.Identifier{f.home}.Sanitize() + "." + symbol + ")"
}
