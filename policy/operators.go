package policy

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"walcast/filters"
)

// Operators asks Postgres about the comparisons that package filters is not certain
// of. It implements filters.Asker and is safe for concurrent use.
type Operators struct {
	pool    *pgxpool.Pool
	timeout time.Duration
	asked   *prometheus.CounterVec
	seconds prometheus.Histogram
}

// comparisonTimeout is how long Postgres may take for one statement, as a regular
// expression could take for ever. A comparison that alone takes longer counts as
// refused.
const comparisonTimeout = time.Second

// NewOperators returns Operators that asks over pool, whose user must be a member of
// the roles that tokens name.
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

// form is what the calls of one statement have in common.
type form struct {
	schema, typ, home string
	array             bool
	op                filters.Operator
}

// Ask implements filters.Asker. It sends one statement for each type and operator;
// if one raises, it is sent again in halves. Reading literals and comparing may run
// code of users, such as checks of domains, so Ask runs as the subject, read only.
func (o *Operators) Ask(ctx context.Context, as filters.Subject, calls []filters.Call) ([]filters.Answer, error) {
	started := time.Now()
	defer func() { o.seconds.Observe(time.Since(started).Seconds()) }()
	forms := map[form][]int{}
	answers := make([]filters.Answer, len(calls))
	for i, call := range calls {
		o.asked.WithLabelValues(string(call.Why)).Inc()
		if !storable(call.Literal) { // values come from Postgres
			answers[i].Err = filters.NewBindError(codeNotInRepertoire, "invalid byte sequence for encoding \"UTF8\"")
			continue
		}
		f := form{call.Schema, call.Type, call.Home, call.Array, call.Op}
		forms[f] = append(forms[f], i)
	}
	for f, indexes := range forms {
		c := &comparing{operators: o, form: f, subject: as, calls: calls, answers: answers}
		if err := c.ask(ctx, indexes); err != nil {
			return nil, fmt.Errorf("compare %d values of type %s: %w", len(indexes), f.typ, err)
		}
	}
	return answers, nil
}
