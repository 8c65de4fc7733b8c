package policy

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"walcast/replication"
)

const (
	// askRows and askBytes bound one statement.
	askRows  = 1000
	askBytes = 1 << 20
	// patience is how many time-outs a batch may cost before the rest of it
	// counts as too slow.
	patience = 4
)

// inquiry is rows of one relation that Postgres is asked about as one subject.
type inquiry struct {
	policy   *Policy
	subject  *Subject
	question *question
	sql      string
	wanted   func(field) bool
	by       string // for the metric

	rows  []replication.Row
	index []int // of the changes
}

func (q *inquiry) add(i int, row replication.Row) {
	q.rows = append(q.rows, row)
	q.index = append(q.index, i)
}

// run asks about all rows. refused is the answer to a statement that did not
// even parse; err means that Postgres could not be asked.
func (q *inquiry) run(ctx context.Context, v *verdicts) (refused *AskError, err error) {
	if len(q.rows) == 0 {
		return nil, nil
	}
	q.policy.metrics.askRows.Add(float64(len(q.rows)))
	ctx, cancel := context.WithTimeout(ctx, 2*patience*q.policy.config.Timeout)
	defer cancel()
	conn, err := q.policy.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Release()
	late := time.Now().Add(patience * q.policy.config.Timeout)
	for start := 0; start < len(q.rows); {
		end, literal := q.batch(start)
		if refused, err = q.ask(ctx, conn, start, end, literal, late, v); refused != nil || err != nil {
			return refused, err
		}
		start = end
	}
	return nil, nil
}

// batch writes the array of the rows from start on that go into one statement.
func (q *inquiry) batch(start int) (end int, literal string) {
	dst := []byte{'{'}
	for end = start; end < len(q.rows) && end-start < askRows && len(dst) < askBytes; end++ {
		if end > start {
			dst = append(dst, ',')
		}
		dst = q.question.appendRow(dst, q.rows[end], q.wanted)
	}
	return end, string(append(dst, '}'))
}

// ask asks about rows start to end. When that raises, it asks about each half,
// until only the rows are left that raise by themselves.
func (q *inquiry) ask(ctx context.Context, conn *pgxpool.Conn, start, end int, literal string, late time.Time, v *verdicts) (*AskError, error) {
	seen, err := q.send(ctx, conn, literal)
	if err == nil {
		for _, position := range seen {
			v.visible[q.index[start+position-1]] = true
		}
		return nil, nil
	}
	pg, ok := answer(err)
	if !ok {
		return nil, err
	}
	raised := &AskError{Table: q.question.table, SQLState: pg.Code, Message: pg.Message}
	var at *stepError
	if !errors.As(err, &at) {
		return raised, nil
	}
	tooLate := pg.Code == codeQueryCanceled && time.Now().After(late)
	if end-start == 1 || at.step == 0 || tooLate { // step 0: we may not act as the subject at all
		q.policy.metrics.raised.Add(float64(end - start))
		for i := start; i < end; i++ {
			v.raise(q.index[i], raised)
		}
		return nil, nil
	}
	return q.askHalves(ctx, conn, start, end, late, v)
}

func (q *inquiry) askHalves(ctx context.Context, conn *pgxpool.Conn, start, end int, late time.Time, v *verdicts) (*AskError, error) {
	middle := (start + end) / 2
	for _, half := range [][2]int{{start, middle}, {middle, end}} {
		part := *q
		part.rows, part.index = q.rows[:half[1]], q.index[:half[1]]
		_, literal := part.batch(half[0])
		if refused, err := q.ask(ctx, conn, half[0], half[1], literal, late, v); refused != nil || err != nil {
			return refused, err
		}
	}
	return nil, nil
}

// send puts the question and returns the numbers of the rows that are visible.
func (q *inquiry) send(ctx context.Context, conn *pgxpool.Conn, literal string) (seen []int, err error) {
	started := time.Now()
	q.policy.metrics.asks.WithLabelValues(q.by).Inc()
	err = transact(ctx, conn, beginRead, []step{
		q.policy.become(q.subject),
		{sql: q.sql, args: []any{literal}, scan: func(rows pgx.Rows) error {
			seen, err = pgx.CollectRows(rows, pgx.RowTo[int])
			return err
		}},
	}, commit)
	q.policy.metrics.askSeconds.Observe(time.Since(started).Seconds())
	return seen, err
}
