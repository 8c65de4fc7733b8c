package policy

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// roundTasks and roundBytes bound what is on its way at once.
	roundTasks = 128
	roundBytes = 4 << 20
	// patience is how many time-outs one call may cost before what is left of
	// it counts as too slow, row by row or not.
	patience = 4
)

// becomeSQL makes the rest of a transaction run as a subject does row-level
// security for row changes (wire reference 5): of what policies look at, only
// role and request.jwt.claims are set. The role comes last, as it takes rights.
// It is parsed under any search_path, so that its names are qualified.
const becomeSQL = `select pg_catalog.set_config('statement_timeout', $1, true), pg_catalog.set_config('row_security', 'on', true),
	pg_catalog.set_config('search_path', $2, true), pg_catalog.set_config('` + rowsSetting + `', $3, true),
	pg_catalog.set_config('request.jwt.claims', $4, true), pg_catalog.set_config('role', $5, true)`

// ask puts all tasks to Postgres, and again in halves those that raise, until
// only the rows are left that raise by themselves. A task that raises ends its
// round, so rounds are short after one and grow again.
func (p *Policy) ask(ctx context.Context, tasks []*task) error {
	if len(tasks) == 0 {
		return nil
	}
	conn, err := p.acquire(ctx)
	if err != nil {
		return fmt.Errorf("ask who may see rows: %w", err)
	}
	defer conn.Release()
	late := time.Now().Add(patience * p.config.Timeout)
	for size := roundTasks; len(tasks) > 0; {
		n, bytes := 0, 0
		for ; n < min(size, len(tasks)) && bytes < roundBytes; n++ {
			bytes += len(tasks[n].literal)
		}
		again, raised, err := p.askRound(ctx, conn.Conn(), tasks[:n], late)
		if err != nil {
			return fmt.Errorf("ask who may see rows: %w", err)
		}
		tasks = append(again, tasks[n:]...)
		if size = min(2*size, roundTasks); raised {
			size = 1
		}
	}
	return nil
}

// askRound asks as much as goes together. It returns what to ask again: what a
// raising task cut off, and its own halves.
func (p *Policy) askRound(ctx context.Context, conn *pgx.Conn, tasks []*task, late time.Time) (again []*task, raised bool, err error) {
	started := time.Now()
	// Postgres ends each task by itself; this is for a server that hangs.
	ctx, cancel := context.WithTimeout(ctx, time.Duration(len(tasks)+2)*p.config.Timeout)
	defer cancel()
	r := &round{conn: conn, timeout: p.config.Timeout}
	if tasks, err = r.prepare(ctx, tasks); err != nil || len(tasks) == 0 {
		return nil, false, err
	}
	outcomes, err := r.run(ctx, tasks)
	if err != nil {
		return nil, false, err
	}
	p.metrics.askSeconds.Observe(time.Since(started).Seconds())
	for i, o := range outcomes {
		t := tasks[i]
		p.metrics.asks.WithLabelValues(t.by).Inc()
		p.metrics.askRows.Add(float64(len(t.rows)))
		switch {
		case o.raised == nil:
			t.see(o.seen)
		case o.acting && t.losesNames(o.raised):
			again = append(again, t.byKey()...)
		case len(t.rows) > 1 && o.acting && !(o.raised.SQLState == codeQueryCanceled && time.Now().After(late)):
			again = append(again, t.halves()...)
		default:
			p.noteRaised(o.raised, len(t.rows))
			t.raise(o.raised)
		}
		raised = raised || o.raised != nil
	}
	return append(again, tasks[len(outcomes):]...), raised, nil
}

// round is tasks on their way over one connection, in one go, but each in a
// transaction of its own: a subject must not share one with another, as a
// policy's function may keep what it found in a setting.
type round struct {
	conn    *pgx.Conn
	timeout time.Duration
	named   bool // statements are prepared; otherwise a pooler may be between
}

// outcome is what became of a task.
type outcome struct {
	acting bool  // Postgres let us act as the subject
	seen   []int // numbers of the visible rows, from 1
	raised *AskError
}

// prepare has statements parsed as ourselves, once for each connection. As a
// policy was parsed as its creator, the subject needs no USAGE on the schemas
// that it names. Tasks whose statement does not parse are marked and left out.
func (r *round) prepare(ctx context.Context, tasks []*task) (parsed []*task, err error) {
	r.named = r.conn.Config().DefaultQueryExecMode == pgx.QueryExecModeCacheStatement
	if !r.named {
		return tasks, nil
	}
	for _, sql := range []string{beginRead, becomeSQL, commit} {
		if _, err := r.conn.Prepare(ctx, statementName(sql), sql); err != nil {
			return nil, err
		}
	}
	for _, t := range tasks {
		err := prepareUnder(ctx, r.conn, t.path, t.sql)
		pg, ok := answer(err)
		switch {
		case err == nil:
			parsed = append(parsed, t)
		case !ok:
			return nil, err
		default:
			t.refused = t.failure(pg)
		}
	}
	return parsed, nil
}

func (t *task) failure(pg *pgconn.PgError) *AskError {
	return &AskError{Table: t.question.table, SQLState: pg.Code, Message: pg.Message}
}

// run returns the outcomes up to the first task that raises.
func (r *round) run(ctx context.Context, tasks []*task) (outcomes []outcome, err error) {
	pipeline := r.conn.PgConn().StartPipeline(ctx)
	timeout := []byte(strconv.FormatInt(r.timeout.Milliseconds(), 10))
	for _, t := range tasks {
		s := t.group.inquiry.Subject
		r.send(pipeline, statementName(beginRead), beginRead)
		r.send(pipeline, statementName(becomeSQL), becomeSQL, timeout, []byte(t.path), []byte(t.literal), []byte(s.Claims), []byte(s.Role))
		r.send(pipeline, statementUnder(t.path, t.sql), t.sql)
		r.send(pipeline, statementName(commit), commit)
	}
	err = pipeline.Sync()
	for err == nil && len(outcomes) < len(tasks) {
		var o outcome
		if o, err = tasks[len(outcomes)].receive(pipeline); err == nil {
			outcomes = append(outcomes, o)
		}
		if o.raised != nil {
			break
		}
	}
	if e := pipeline.Close(); err == nil && e != nil {
		if _, ok := answer(e); !ok {
			err = e
		}
	}
	if err == nil && r.conn.PgConn().TxStatus() != 'I' {
		_, err = r.conn.Exec(ctx, rollback)
	}
	return outcomes, err
}

func (r *round) send(pipeline *pgconn.Pipeline, name, sql string, args ...[]byte) {
	if r.named {
		pipeline.SendQueryPrepared(name, args, nil, nil)
		return
	}
	pipeline.SendQueryParams(sql, args, nil, nil, nil)
}

// receive reads the results of a task's four statements.
func (t *task) receive(pipeline *pgconn.Pipeline) (o outcome, err error) {
	for statement := range 4 {
		results, err := pipeline.GetResults()
		reader, ok := results.(*pgconn.ResultReader)
		if err == nil && !ok {
			err = fmt.Errorf("unexpected result %T", results)
		}
		if err == nil {
			err = o.read(reader, statement == 2)
		}
		if pg, ok := answer(err); ok {
			o.raised = t.failure(pg)
			return o, nil
		}
		if err != nil {
			return o, err
		}
		o.acting = statement > 0
	}
	return o, nil
}

// read reads a statement's rows; those of the question are positions.
func (o *outcome) read(reader *pgconn.ResultReader, question bool) (err error) {
	for reader.NextRow() {
		if question && err == nil {
			var position int
			position, err = strconv.Atoi(string(reader.Values()[0]))
			o.seen = append(o.seen, position)
		}
	}
	if _, e := reader.Close(); e != nil {
		return e
	}
	return err
}
