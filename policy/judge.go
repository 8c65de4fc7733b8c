package policy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"walcast/filters"
	"walcast/policy/sql"
	"walcast/replication/wal"
)

// Clause is a condition on the rows of a relation: the USING of a policy, or the row filter
// of a publication.
type Clause struct {
	Name       string
	Permissive bool   // of a policy: any permissive one lets a row be seen, all others must
	SQL        string // as Postgres prints it

	asked   string // as it is printed under the search_path that it is asked under
	columns []int16
	builtin bool // it names nothing but what is in pg_catalog
}

// RowFilter is the row filter of a publication, which has nothing but built-in functions,
// operators and types in it. columns are all of the relation's columns that it may read.
func RowFilter(publication, text string, columns []int16) Clause {
	return Clause{Name: publication, SQL: text, asked: text, columns: columns, builtin: true}
}

// Judge has Postgres evaluate single conditions on rows of a relation, as a subject. It is
// for telling the owner of a database why a row is shown or hidden: whether it is shown is
// said by Visible.
type Judge struct {
	pg       *postgres
	facts    *facts
	relation *wal.Relation
	subject  *Subject
}

// Judge reads what is to be known of a relation. A role that nobody can act as is
// ErrUnknownRole, and a catalog that cannot be read an *AskError.
func (p *Policy) Judge(ctx context.Context, rel *wal.Relation, s *Subject) (*Judge, error) {
	if !s.possible() {
		return nil, &RoleError{Role: s.Role}
	}
	f, err := p.readCatalog(ctx, rel, s.Role)
	if err != nil {
		return nil, err
	}
	if unfit := f.unfit(); unfit != nil {
		return nil, unfit
	}
	return &Judge{pg: p.postgres, facts: f, relation: rel, subject: s}, nil
}

// Policies are those for SELECT that apply to the subject's role, by name. There is none
// where row-level security does not apply to it.
func (j *Judge) Policies() (all []Clause) {
	if !j.facts.relation.RowSecurity {
		return nil
	}
	for i, p := range j.facts.policies.stored {
		all = append(all, Clause{Name: p.Name, Permissive: p.Permissive, SQL: p.Using, asked: j.facts.policies.asked[i], columns: p.Columns})
	}
	return all
}

// Unsent are the columns that a clause reads and that are not published.
func (j *Judge) Unsent(c Clause) []string { return newStatements(j.relation, j.alone(c)).unsent }

// Holds evaluates a clause on the values of a row. An *AskError is what Postgres raised, or
// says why it cannot be asked; any other error means that it did not answer.
func (j *Judge) Holds(ctx context.Context, c Clause, row wal.Row) (filters.Truth, error) {
	f := j.alone(c)
	q := newStatements(j.relation, f)
	if why := q.unaskable(f, row); why != "" {
		return filters.Undecided, &AskError{Table: q.table, SQLState: codeNotSupported, Message: why, cure: q.opens}
	}
	from := sent(sql.Qualified(f.relation.Schema, f.relation.Table)) + " as " + sql.QuoteName(f.relation.Table)
	if !wholeRow(f) {
		names := make([]string, len(f.relation.attributes))
		for i, a := range f.relation.attributes {
			names[i] = sql.QuoteName(a.Name)
		}
		from += " (" + strings.Join(names, ", ") + ")"
	}
	t := &task{statements: q, sql: fmt.Sprintf("select (%s) from %s where %s", c.asked, from, acting(j.subject.Role)), path: q.rowPath, wanted: needed, rows: []wal.Row{row}, index: []int{0}}
	return j.ask(ctx, t.split()[0])
}

// alone is the facts with one clause in the place of all policies.
func (j *Judge) alone(c Clause) *facts {
	f := *j.facts
	f.policies.stored = []policyRow{{Name: c.Name, Permissive: true, Using: c.SQL, Columns: c.columns}}
	f.policies.asked = []string{c.asked}
	if c.builtin {
		f.policies.Literals, f.names = false, names{}
		f.session.RunPath = catalogPath
	}
	return &f
}

// unaskable says why a clause cannot be evaluated on the values of a row, "" if it can.
func (q *statements) unaskable(f *facts, row wal.Row) string {
	var lacks []string
	for i, c := range q.fields {
		if c.needed && c.column >= 0 && (row == nil || row[c.column].Kind == wal.Absent) {
			lacks = append(lacks, f.relation.attributes[i].Name)
		}
	}
	switch {
	case len(q.unsent) > 0:
		return "it reads " + strings.Join(q.unsent, ", ") + ", which is not published"
	case len(q.barred) > 0:
		return "it has names in schema " + strings.Join(q.barred, ", ") + ", which the role has no USAGE on"
	case q.byRow == "":
		return "it reads what only a row in the table has, or the search_path does not begin with pg_catalog"
	case len(lacks) > 0:
		return "it reads " + strings.Join(lacks, ", ") + ", which the WAL does not have of the row"
	}
	return ""
}

// ask runs a task that has one row, and returns the boolean that its statement selects.
func (j *Judge) ask(ctx context.Context, t *task) (filters.Truth, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*j.pg.config.Timeout) // for a server that hangs
	defer cancel()
	conn, err := j.pg.acquire(ctx, j.pg.pool)
	if err != nil {
		return filters.Undecided, fmt.Errorf("evaluate a policy: %w", err)
	}
	defer conn.Release()
	named := conn.Conn().Config().DefaultQueryExecMode == pgx.QueryExecModeCacheStatement
	if named {
		err = prepareUnder(ctx, conn.Conn(), t.parserFor(j.subject.Role), t.path, t.sql)
	}
	var truth filters.Truth
	if err == nil {
		truth, err = j.converse(ctx, conn.Conn(), t, named)
	}
	raised, answered := postgresError(err)
	if err != nil && !answered {
		return filters.Undecided, fmt.Errorf("evaluate a policy: %w", err)
	}
	if e := j.inspect(ctx, conn.Conn(), t); e != nil {
		return filters.Undecided, e
	}
	if answered {
		return filters.Undecided, t.failure(raised)
	}
	return truth, nil
}

// parserFor is task.parser for a task of no inquiry.
func (t *task) parserFor(role string) string {
	if t.statements.parser == "" {
		return ""
	}
	return role
}

// converse sends one transaction and reads the answer.
func (j *Judge) converse(ctx context.Context, conn *pgx.Conn, t *task, named bool) (filters.Truth, error) {
	a := actor{role: j.subject.Role, claims: j.subject.Claims, path: t.path, rows: t.literal, lacks: t.lacks, timeout: j.pg.config.Timeout}
	pipeline := conn.PgConn().StartPipeline(ctx)
	a.begin(pipeline)
	if named {
		pipeline.SendQueryPrepared(statementUnder(t.parserFor(a.role), t.path, t.sql), nil, nil, nil)
	} else {
		pipeline.SendQueryParams(t.sql, nil, nil, nil, nil)
	}
	a.end(pipeline)
	err := pipeline.Sync()
	truth := filters.Undecided
	for statement := 0; err == nil && statement < 4; statement++ {
		var values [][]byte
		if values, err = oneRow(pipeline); err == nil && statement == statementAsk {
			truth, err = truthOf(values)
		}
	}
	if e := pipeline.Close(); err == nil {
		err = e
	}
	return truth, err
}

// oneRow reads the result of one statement, which has at most one row.
func oneRow(pipeline *pgconn.Pipeline) (values [][]byte, err error) {
	results, err := pipeline.GetResults()
	if err != nil {
		return nil, err
	}
	reader, ok := results.(*pgconn.ResultReader)
	if !ok {
		return nil, fmt.Errorf("unexpected result %T", results)
	}
	for reader.NextRow() {
		values = slices.Clone(reader.Values())
	}
	_, err = reader.Close()
	return values, err
}

// truthOf reads a boolean.
func truthOf(values [][]byte) (filters.Truth, error) {
	switch {
	case len(values) != 1:
		return filters.Undecided, errors.New("the statement ran as another role than the subject's")
	case values[0] == nil:
		return filters.Unknown, nil
	case string(values[0]) == "t":
		return filters.True, nil
	}
	return filters.False, nil
}

// inspect ends what was done on a connection. Where code of users has changed its prepared
// statements the answer means nothing, and the connection is closed.
func (j *Judge) inspect(ctx context.Context, conn *pgx.Conn, t *task) error {
	if conn.PgConn().TxStatus() != 'I' {
		if _, err := conn.Exec(ctx, rollback); err != nil {
			return err
		}
	}
	bad, err := touched(ctx, conn)
	if err != nil || !bad {
		return err
	}
	if err := conn.Close(ctx); err != nil {
		return err
	}
	return &AskError{Table: t.statements.table, SQLState: codeDuplicateStatement, Message: "a function of the policies changes prepared statements of the session"}
}
