package policy

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"walcast/internal/conninfo"
)

// ReadCheck is the arguments of MayRead, as MayReadAll takes them.
type ReadCheck struct {
	Subject  *Subject
	Topic    Topic
	Presence bool
}

// ReadAnswer is what MayRead returns.
type ReadAnswer struct {
	Grants Grants
	Err    error
	Took   time.Duration // by Postgres, about
}

// What is asked about a topic is taken back to where no topic was asked about.
const (
	savepoint       = "savepoint topic"
	backToSavepoint = "rollback to savepoint topic"
)

// readRound is how many checks Postgres is asked for at once.
const readRound = 128

// MayReadAll is MayRead for many subjects and topics at once. Adjacent checks of
// one subject share a transaction with one insert, and all are sent together; what the
// function of a policy keeps in a setting is gone for the next of them. If one
// raises, the others are made again without it.
func (p *private) MayReadAll(ctx context.Context, checks []ReadCheck) []ReadAnswer {
	p.pg.metrics.private.WithLabelValues(labelRead).Add(float64(len(checks)))
	answers := make([]ReadAnswer, len(checks))
	var open []*readTopic
	for i, c := range checks {
		t := &readTopic{ReadCheck: c, answer: &answers[i]}
		switch {
		case !c.Subject.possible():
			t.answer.Err = &RoleError{Role: c.Subject.Role}
		case !c.Topic.possible():
			t.answer.Err = errTopic()
		default:
			open = append(open, t)
		}
	}
	for size := readRound; len(open) > 0; {
		n := min(size, len(open))
		answered, err := p.readAll(ctx, open[:n])
		if err != nil {
			for _, t := range open {
				t.answer.Err = fmt.Errorf("check who may read private topics: %w", err)
			}
			return answers
		}
		if size = min(2*size, readRound); answered < n {
			size = 1
		}
		open = open[answered:]
	}
	return answers
}

// readTopic is a check on its way.
type readTopic struct {
	ReadCheck
	answer *ReadAnswer
	ids    []string // the ids of its probes: broadcast, presence
}

// readAll makes all checks at once, up to the first that raises.
func (p *private) readAll(ctx context.Context, topics []*readTopic) (answered int, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(len(topics)+2)*p.pg.config.Timeout)
	defer cancel()
	conn, err := p.pg.acquire(ctx, p.pg.pool)
	if err != nil {
		return 0, err
	}
	defer conn.Release()
	relation, err := p.probing.into(ctx, conn.Conn())
	if err != nil {
		return 0, err
	}
	answered, err = p.readOver(ctx, conn.Conn(), relation, topics)
	if e := leave(ctx, conn.Conn()); err == nil {
		err = e
	}
	return answered, err
}

func (p *private) readOver(ctx context.Context, conn *pgx.Conn, relation string, topics []*readTopic) (answered int, err error) {
	pipeline := conn.PgConn().StartPipeline(ctx)
	for i, t := range topics {
		first := i == 0 || topics[i-1].Subject != t.Subject
		if first {
			if i > 0 {
				pipeline.SendQueryParams(rollback, nil, nil, nil, nil)
			}
			pipeline.SendQueryParams(beginWrite, nil, nil, nil, nil)
			pipeline.SendQueryParams(conninfo.OwnPathSQL, nil, nil, nil, nil)
			pipeline.SendQueryParams(insertProbe(relation), probes(topics[i:]), nil, nil, nil)
			pipeline.SendQueryParams(savepoint, nil, nil, nil, nil)
		}
		become := p.becomeOn(t.Subject, t.Topic)
		args := make([][]byte, len(become))
		for i, arg := range become {
			args[i] = fmt.Append(nil, arg)
		}
		pipeline.SendQueryParams(becomeOnSQL, args, nil, nil, nil)
		pipeline.SendQueryParams(foundProbe, [][]byte{textArray(t.ids)}, nil, nil, nil)
		pipeline.SendQueryParams(backToSavepoint, nil, nil, nil, nil)
		pipeline.SendFlushRequest() // for Took: otherwise all answers come with the last
	}
	pipeline.SendQueryParams(rollback, nil, nil, nil, nil)
	err = pipeline.Sync()
	at := time.Now()
	for i := 0; err == nil && i < len(topics); i++ {
		first := i == 0 || topics[i-1].Subject != topics[i].Subject
		var step int
		step, err = topics[i].receive(pipeline, first, i > 0)
		topics[i].answer.Took, at = time.Since(at), time.Now()
		if pg, ok := postgresError(err); ok {
			topics[i].answer.Err = p.topicError(topics[i].Subject, conn, pg, step, true)
			answered, err = i+1, pipeline.Close()
			if _, ok := postgresError(err); ok {
				err = nil
			}
			return answered, err
		}
		answered = i + 1
	}
	if e := pipeline.Close(); err == nil {
		err = e
	}
	return answered, err
}

// probes returns the arguments of insertProbe for the first topics, those with one
// subject.
func probes(topics []*readTopic) [][]byte {
	var ids, names, extensions []string
	for _, t := range topics {
		if t.Subject != topics[0].Subject {
			break
		}
		t.ids = t.ids[:0]
		for _, extension := range []string{extensionBroadcast, extensionPresence} {
			if extension == extensionPresence && !t.Presence {
				continue
			}
			id := uuid.NewString()
			t.ids = append(t.ids, id)
			ids, names, extensions = append(ids, id), append(names, t.Topic.Name), append(extensions, extension)
		}
	}
	return [][]byte{textArray(ids), textArray(names), textArray(extensions)}
}

// textArray writes an array in Postgres' text form.
func textArray(items []string) []byte {
	text, err := pgtype.NewMap().Encode(pgtype.TextArrayOID, pgtype.TextFormatCode, items, nil)
	if err != nil {
		panic("policy: texts cannot be written as an array: " + err.Error())
	}
	return text
}

// receive reads the results of a topic's statements, and of those that come before
// them. step is relative to the step that sets the role, which is 0.
func (t *readTopic) receive(pipeline *pgconn.Pipeline, first, ends bool) (step int, err error) {
	from := 0
	if first {
		from = -4 // begin, the search_path, insert and the savepoint come first
		if ends {
			from = -5 // and before these the rollback of the last transaction
		}
	}
	for step = from; step <= 2; step++ {
		results, err := pipeline.GetResults()
		if err != nil {
			return step, err
		}
		reader, ok := results.(*pgconn.ResultReader)
		if !ok {
			return step, fmt.Errorf("unexpected result %T", results)
		}
		for reader.NextRow() {
			if step == 1 {
				extension := string(reader.Values()[0])
				t.answer.Grants.ReadBroadcast = t.answer.Grants.ReadBroadcast || extension == extensionBroadcast
				t.answer.Grants.ReadPresence = t.answer.Grants.ReadPresence || extension == extensionPresence
			}
		}
		if _, err := reader.Close(); err != nil {
			return step, err
		}
	}
	return step, nil
}

// MessagesReads is what the policies of realtime.messages depend on.
type MessagesReads struct {
	Relation  uint32   // realtime.messages itself
	Tables    []uint32 // the tables that they read, as far as Postgres records it: not those in functions' bodies
	Functions []uint32 // the functions that they call, and those that these are recorded to call
}

// messagesReadsSQL follows the dependencies of the policies that Postgres records: the
// tables that they read, with their partitions and policies, the tables below
// views, and functions with SQL-standard bodies.
const messagesReadsSQL = `with recursive used (class, oid) as (
	select d.refclassid, d.refobjid from pg_policy p join pg_depend d on d.classid = 'pg_policy'::regclass and d.objid = p.oid
		where p.polrelid = to_regclass('realtime.messages') and d.refclassid in ('pg_class'::regclass, 'pg_proc'::regclass)
	union
	select next.class, next.oid from used cross join lateral (
		select 'pg_class'::regclass::oid, i.inhrelid from pg_inherits i where used.class = 'pg_class'::regclass and i.inhparent = used.oid
		union all
		select d.refclassid, d.refobjid from pg_policy p join pg_depend d on d.classid = 'pg_policy'::regclass and d.objid = p.oid
			where used.class = 'pg_class'::regclass and p.polrelid = used.oid
		union all
		select d.refclassid, d.refobjid from pg_rewrite w join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = w.oid
			where used.class = 'pg_class'::regclass and w.ev_class = used.oid
		union all
		select d.refclassid, d.refobjid from pg_depend d
			where used.class = 'pg_proc'::regclass and d.classid = 'pg_proc'::regclass and d.objid = used.oid
	) as next (class, oid)
	where next.class in ('pg_class'::regclass, 'pg_proc'::regclass)
)
select to_regclass('realtime.messages')::oid,
	array(select u.oid from used u where u.class = 'pg_class'::regclass and u.oid not in (
		select to_regclass('realtime.messages')::oid union all select relid from pg_partition_tree(to_regclass('realtime.messages')))),
	array(select u.oid from used u where u.class = 'pg_proc'::regclass)`

// MessagesReads reads what the right to private topics depends on, and has Run look
// for changes from then on. When OnChange names one of these objects or the rest, or
// a row of one of the tables changes, the rights are to be asked again.
func (p *private) MessagesReads(ctx context.Context) (reads MessagesReads, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*p.pg.config.Timeout)
	defer cancel()
	conn, err := p.pg.acquire(ctx, p.pg.pool)
	if err != nil {
		return reads, fmt.Errorf("read what private topics depend on: %w", err)
	}
	defer conn.Release()
	var relation *uint32
	found := &sight{}
	err = transactPinned(ctx, conn, []step{{sql: messagesReadsSQL, scan: scanOne(&relation, &reads.Tables, &reads.Functions)}}, func() []step {
		if relation == nil {
			return nil
		}
		reads.Relation = *relation
		return []step{{sql: sightSQL, args: reads.depends().args(), scan: found.read}}
	})
	switch {
	case err != nil:
		return reads, fmt.Errorf("read what private topics depend on: %w", err)
	case relation == nil:
		return reads, ErrNoMessagesTable
	}
	for _, d := range reads.depends() {
		p.watch.begins(d, found.prints.of(d))
	}
	return reads, nil
}

func (r *MessagesReads) depends() dependencies {
	return dependencies{{kind: dependRest}, {DependRelation, r.Relation}}.add(DependRelation, r.Tables).add(DependFunction, r.Functions)
}
