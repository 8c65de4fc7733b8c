package policy

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"walcast/filters"
)

// Operators decides with Postgres' own operators what filters is not certain
// of. It implements filters.Asker and is safe for concurrent use.
type Operators struct {
	pool    *pgxpool.Pool
	timeout time.Duration
	asked   *prometheus.CounterVec
	seconds prometheus.Histogram
}

// comparisonTimeout is how long Postgres may take for one statement: a regular
// expression can take for ever. A comparison that is too slow by itself counts
// as refused.
const comparisonTimeout = time.Second

// NewOperators returns operators that are asked over pool, as its user.
func NewOperators(pool *pgxpool.Pool, reg prometheus.Registerer) *Operators {
	f := promauto.With(reg)
	return &Operators{
		pool:    pool,
		timeout: comparisonTimeout,
		asked: f.NewCounterVec(prometheus.CounterOpts{
			Name: "walcast_policy_comparisons_total",
			Help: "Comparisons and literals of filters that Postgres was asked about, by why.",
		}, []string{"why"}),
		seconds: f.NewHistogram(prometheus.HistogramOpts{
			Name:    "walcast_policy_comparison_seconds",
			Help:    "Time that asking about the comparisons of some changes took.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 4, 9),
		}),
	}
}

// form is what questions of one statement have in common.
type form struct {
	schema, typ, home string
	array             bool
	op                filters.Operator
}

// Ask implements filters.Asker: one statement for each type and operator, and
// again in halves those in which something raises.
func (o *Operators) Ask(ctx context.Context, questions []filters.Question) ([]filters.Answer, error) {
	started := time.Now()
	defer func() { o.seconds.Observe(time.Since(started).Seconds()) }()
	forms := map[form][]int{}
	for i, q := range questions {
		o.asked.WithLabelValues(string(q.Why)).Inc()
		f := form{q.Schema, q.Type, q.Home, q.Array, q.Op}
		forms[f] = append(forms[f], i)
	}
	answers := make([]filters.Answer, len(questions))
	for f, indexes := range forms {
		if err := o.askForm(ctx, f, questions, indexes, answers); err != nil {
			return nil, fmt.Errorf("compare %d values of type %s: %w", len(indexes), f.typ, err)
		}
	}
	return answers, nil
}

// askForm fills in the answers at the indexes.
func (o *Operators) askForm(ctx context.Context, f form, questions []filters.Question, indexes []int, answers []filters.Answer) error {
	err := o.run(ctx, f, questions, indexes, answers)
	raised, answered := answer(err)
	switch {
	case err == nil:
		return nil
	case !answered:
		return err
	case len(indexes) == 1:
		message := raised.Message
		if raised.Detail != "" {
			message += "\n\n" + raised.Detail
		}
		answers[indexes[0]] = filters.Answer{Err: filters.NewBindError(raised.Code, message)}
		return nil
	}
	half := len(indexes) / 2
	if err := o.askForm(ctx, f, questions, indexes[:half], answers); err != nil {
		return err
	}
	return o.askForm(ctx, f, questions, indexes[half:], answers)
}

// comparisonSQL pins what the text of values, and the meaning of literals and
// operators, depend on. TimeZone and the order of day and month are left to the
// database: they are what its users expect of literals. The search path holds
// no schema in which others may have put operators, but for an extension's own.
const comparisonSQL = `select pg_catalog.set_config('search_path', $1, true), pg_catalog.set_config('statement_timeout', $2, true),
	pg_catalog.set_config('DateStyle', 'ISO', true), pg_catalog.set_config('IntervalStyle', 'postgres', true),
	pg_catalog.set_config('bytea_output', 'hex', true), pg_catalog.set_config('extra_float_digits', '3', true),
	pg_catalog.set_config('lc_monetary', 'C', true)`

// run asks in one statement.
func (o *Operators) run(ctx context.Context, f form, questions []filters.Question, indexes []int, answers []filters.Answer) error {
	values, literals := make([]string, len(indexes)), make([]string, len(indexes))
	for i, at := range indexes {
		values[i], literals[i] = questions[at].Value, questions[at].Literal
	}
	ctx, cancel := context.WithTimeout(ctx, 5*o.timeout) // for a server that hangs
	defer cancel()
	return pgx.BeginTxFunc(ctx, o.pool, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		path := "pg_catalog"
		if f.home != "" {
			path += ", " + pgx.Identifier{f.home}.Sanitize()
		}
		path += ", pg_temp"
		limit := strconv.FormatInt(o.timeout.Milliseconds(), 10)
		if _, err := tx.Exec(ctx, comparisonSQL, path, limit); err != nil {
			return err
		}
		// Parsed here and not when the connection was new: the operators are to be
		// looked for on this search path.
		rows, err := tx.Query(ctx, f.sql(), pgx.QueryExecModeExec, values, literals)
		if err != nil {
			return err
		}
		return f.read(rows, indexes, answers)
	})
}

// read reads one row for each question, in their order.
func (f form) read(rows pgx.Rows, indexes []int, answers []filters.Answer) error {
	defer rows.Close()
	for i := 0; rows.Next(); i++ {
		var holds *bool
		var text *string
		if err := rows.Scan(&holds, &text); err != nil {
			return err
		}
		a := filters.Answer{Truth: filters.Unknown}
		if holds != nil {
			a.Truth = filters.False
			if *holds {
				a.Truth = filters.True
			}
		}
		if text != nil {
			a.Text = *text
		}
		answers[indexes[i]] = a
	}
	return rows.Err()
}

// symbols are SQL's operators.
func symbol(op filters.Operator) string {
	switch op {
	case filters.Eq:
		return "="
	case filters.Neq:
		return "<>"
	case filters.Lt:
		return "<"
	case filters.Lte:
		return "<="
	case filters.Gt:
		return ">"
	case filters.Gte:
		return ">="
	case filters.Like:
		return "~~"
	case filters.ILike:
		return "~~*"
	case filters.Match:
		return "~"
	case filters.IMatch:
		return "~*"
	case filters.IsDistinct:
		return "is distinct from"
	case filters.Contains:
		return "@>"
	case filters.ContainedBy:
		return "<@"
	case filters.Overlaps:
		return "&&"
	}
	panic("policy: no SQL for operator " + string(op))
}

// sql is a statement over arrays of values and literals.
func (f form) sql() string {
	typ := pgx.Identifier{f.schema, f.typ}.Sanitize()
	literal := "literal::" + typ
	if f.array {
		literal += "[]"
	}
	columns := "null::boolean, format('%s', " + literal + ")"
	switch f.op {
	case "":
	case filters.In:
		columns = "value::" + typ + " = any (" + literal + "), null::text"
	case filters.Like, filters.ILike, filters.Match, filters.IMatch:
		if f.typ != "bytea" { // patterns are text, whatever they are for
			literal = "literal::text"
		}
		fallthrough
	default:
		columns = strings.Join([]string{"value::" + typ, symbol(f.op), literal + ", null::text"}, " ")
	}
	return "select " + columns + " from unnest($1::text[], $2::text[]) with ordinality as q (value, literal, place) order by place"
}
