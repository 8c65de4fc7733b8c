package policy

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"walcast/replication/wal"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// roundTasks and roundBytes bound how much is asked at once.
	roundTasks = 128
	roundBytes = 4 << 20
	// patience is how many time-outs one call may take. After these a task that
	// times out is not split any more, and all its rows count as too slow.
	patience = 4
)

// ask puts all tasks to Postgres. A task that raises is asked again in halves, until
// it is known which rows raise by themselves. It also ends its round, so the next
// rounds are short and grow again. Rows that were asked about too early are asked
// about again. The tasks whose statement does not parse are returned. took grows by
// the time that Postgres takes, without that for a connection or a commit to be seen.
func (a *asker) ask(ctx context.Context, tasks []*task, took *time.Duration) (refused []*task, err error) {
	late := time.Now().Add(patience * a.pg.config.Timeout)
	early := earliness{limit: a.pg.config.Timeout}
	for size := roundTasks; len(tasks) > 0 || len(early.tasks) > 0; {
		if len(tasks) == 0 {
			if tasks, err = early.wait(ctx); err != nil {
				return nil, fmt.Errorf("ask who may see rows: %w", err)
			}
		}
		n, bytes := 0, 0
		for ; n < min(size, len(tasks)) && bytes < roundBytes; n++ {
			bytes += len(tasks[n].literal)
		}
		r, err := a.askRound(ctx, tasks[:n], took)
		if err != nil {
			return nil, fmt.Errorf("ask who may see rows: %w", err)
		}
		again, raised := a.takeOutcomes(r, &early, late)
		tasks = append(again, tasks[n:]...)
		refused = append(refused, r.refused...)
		if size = min(2*size, roundTasks); raised {
			size = 1
		}
	}
	return refused, nil
}

// askRound asks tasks over one connection.
func (a *asker) askRound(ctx context.Context, tasks []*task, took *time.Duration) (*round, error) {
	// Postgres' own time limit ends each task; this one is for a server that hangs.
	ctx, cancel := context.WithTimeout(ctx, time.Duration(len(tasks)+2)*a.pg.config.Timeout)
	defer cancel()
	conn, err := a.pg.acquire(ctx, a.pg.pool)
	if err != nil {
		return nil, err
	}
	defer conn.Release()
	started := time.Now()
	defer func() { *took += time.Since(started) }()
	r := &round{conn: conn.Conn(), timeout: a.pg.config.Timeout}
	if err := r.prepare(ctx, tasks); err != nil || len(r.tasks) == 0 {
		return r, err
	}
	if err := r.run(ctx); err != nil {
		return nil, err
	}
	a.pg.metrics.askSeconds.Observe(time.Since(started).Seconds())
	return r, r.inspect(ctx)
}

// takeOutcomes stores the answers of a round. It returns the tasks to ask again: the
// halves of a task that raised, and the tasks behind it.
func (a *asker) takeOutcomes(r *round, early *earliness, late time.Time) (again []*task, raised bool) {
	for i, o := range r.outcomes {
		t := r.tasks[i]
		a.pg.metrics.asks.WithLabelValues(t.by).Inc()
		a.pg.metrics.askRows.Add(float64(len(t.rows)))
		unseen := t.unseen(&o)
		switch {
		case o.raised == nil:
			t.see(o.seen, unseen)
			t.noteKeys()
			a.pg.metrics.superseded.Add(float64(countOthers(o.superseded, unseen)))
			a.pg.metrics.early.Add(float64(len(unseen)))
			early.add(t, unseen)
		case o.acting && t.losesNames(o.raised):
			again = append(again, a.loseNames(t, o.raised)...)
		case len(t.rows) > 1 && o.acting && !(o.raised.TimedOut() && time.Now().After(late)):
			again = append(again, t.halves()...)
		case len(t.rows) == 1 && len(unseen) == 1:
			a.pg.metrics.early.Inc()
			early.add(t, unseen)
		default:
			a.pg.noteRaised(o.raised, len(t.rows))
			t.raise(o.raised)
		}
		raised = raised || o.raised != nil
	}
	return append(again, r.tasks[len(r.outcomes):]...), raised || r.alone
}

// loseNames handles a task for which losesNames is true: it returns tasks by key for
// the rows that have one, and the others in smaller tasks or with the error.
func (a *asker) loseNames(t *task, raised *AskError) (again []*task) {
	again, rest := t.byKey()
	switch {
	case len(rest.rows) == 0:
		return again
	case len(t.rows) == 1:
		a.pg.noteRaised(raised, 1)
		rest.raise(raised)
		return again
	case len(again) > 0:
		return append(again, rest.split()...)
	}
	return rest.halves()
}

// round is tasks that are sent at once over one connection, each in a transaction of
// its own: subjects must not share a transaction, as the function of a policy may
// keep what it has found in a setting.
type round struct {
	conn     *pgx.Conn
	timeout  time.Duration
	named    bool // statements are prepared; false if a pooler may be in between
	tasks    []*task
	outcomes []outcome // of the first tasks, up to the first that raised
	refused  []*task   // tasks whose statement does not parse
	alone    bool      // a task has changed the connection; the next rounds are of one task
}

// outcome is the result of a task.
type outcome struct {
	acting     bool         // Postgres let us become the subject
	snapshot   wal.Snapshot // if acting: the statement saw at least this
	seen       []int        // numbers of the visible rows, from 1
	superseded []int        // numbers of the rows that are visible, but in a later version than was sent
	raised     *AskError
}

// prepare has the statements parsed, once for each connection, by the role that
// task.parser names. Tasks whose statement does not parse are moved to refused.
func (r *round) prepare(ctx context.Context, tasks []*task) error {
	r.named = r.conn.Config().DefaultQueryExecMode == pgx.QueryExecModeCacheStatement
	if !r.named {
		r.tasks = tasks
		return nil
	}
	for _, t := range tasks {
		err := prepareUnder(ctx, r.conn, t.parser(), t.path, t.sql)
		pg, ok := postgresError(err)
		switch {
		case err == nil:
			r.tasks = append(r.tasks, t)
		case !ok:
			return err
		default:
			t.unparsed = t.failure(pg)
			r.refused = append(r.refused, t)
		}
	}
	return nil
}

// inspect checks that the answers came from our own statements. If they may not
// have, the answers are dropped: a single task gets an error, and several tasks are
// asked again one by one, each on a connection of its own.
func (r *round) inspect(ctx context.Context) error {
	bad, err := touched(ctx, r.conn)
	if err != nil || !bad {
		return err
	}
	if err := r.conn.Close(ctx); err != nil {
		return err
	}
	blame := outcome{raised: &AskError{
		Table: r.tasks[0].statements.table, SQLState: codeDuplicateStatement,
		Message: "a function of the policies changes prepared statements of the session",
	}}
	if r.outcomes = nil; len(r.tasks) == 1 {
		r.outcomes = []outcome{blame}
	}
	r.alone = true
	return nil
}

// failure returns an error of Postgres as the answer to a task.
func (t *task) failure(pg *pgconn.PgError) *AskError { return newAskError(t.statements.table, pg) }

// run sends the tasks and reads their outcomes up to the first task that raises.
func (r *round) run(ctx context.Context) (err error) {
	pipeline := r.conn.PgConn().StartPipeline(ctx)
	for _, t := range r.tasks {
		s := t.group.inquiry.Subject
		a := actor{role: s.Role, claims: s.Claims, path: t.path, rows: t.literal, lacks: t.lacks, timeout: r.timeout, byKey: t.by == "key"}
		a.begin(pipeline)
		if r.named {
			pipeline.SendQueryPrepared(statementUnder(t.parser(), t.path, t.sql), nil, nil, nil)
		} else {
			pipeline.SendQueryParams(t.sql, nil, nil, nil, nil)
		}
		a.end(pipeline)
	}
	err = pipeline.Sync()
	for err == nil && len(r.outcomes) < len(r.tasks) {
		var o outcome
		if o, err = r.tasks[len(r.outcomes)].receive(pipeline); err == nil {
			r.outcomes = append(r.outcomes, o)
		}
		if o.raised != nil {
			break
		}
	}
	if e := pipeline.Close(); err == nil && e != nil {
		if _, ok := postgresError(e); !ok {
			err = e
		}
	}
	if err == nil && r.conn.PgConn().TxStatus() != 'I' {
		_, err = r.conn.Exec(ctx, rollback)
	}
	return err
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
			err = o.read(reader, statement)
		}
		if pg, ok := postgresError(err); ok {
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

// Those of a task's four statements whose rows are read.
const (
	statementBecome = 1
	statementAsk    = 2
)

// read reads the rows of one statement. Those of statementAsk are the numbers of
// visible rows and, if they were looked up by key, whether each is the version that
// was sent.
func (o *outcome) read(reader *pgconn.ResultReader, statement int) (err error) {
	for reader.NextRow() {
		values := reader.Values()
		switch {
		case err != nil:
		case statement == statementBecome:
			o.snapshot, err = wal.ParseSnapshot(string(values[0]))
		case statement == statementAsk:
			err = o.readNumber(values)
		}
	}
	if _, e := reader.Close(); e != nil {
		return e
	}
	return err
}

// readNumber reads one row of statementAsk.
func (o *outcome) readNumber(values [][]byte) error {
	number, err := strconv.Atoi(string(values[0]))
	if len(values) > 1 && string(values[1]) != "t" {
		o.superseded = append(o.superseded, number)
	} else {
		o.seen = append(o.seen, number)
	}
	return err
}
