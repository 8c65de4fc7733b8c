package diagnose

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"walcast/filters"
	"walcast/policy"
	"walcast/protocol"
	"walcast/replication/wal"
)

// Snapshot is what a binding asks of the rows that come before its changes.
type Snapshot struct {
	Order filters.Order
	Limit int // of rows; NoLimit for none
}

// NoLimit is the Limit of a snapshot without one.
const NoLimit = -1

// snapshotsMost is how many bindings of a channel may have a snapshot: Postgres evaluates and
// keeps the rows of all of them before the first is read, in up to work_mem for each.
const snapshotsMost = 20

func tooManySnapshots() *protocol.Problem {
	return &protocol.Problem{
		Message: fmt.Sprintf("Error parsing `snapshot` params: a channel may have %d bindings with a snapshot, others go on another channel", snapshotsMost),
		Code:    protocol.CodeInvalidBinding,
	}
}

// parseSnapshot reads what a binding asks of a snapshot, nil if it asks for none.
func parseSnapshot(spec *protocol.Binding) (*Snapshot, *protocol.Problem) {
	if !spec.WantsSnapshot() {
		return nil, nil
	}
	refuse := func(code, text string) (*Snapshot, *protocol.Problem) {
		return nil, &protocol.Problem{Message: "Error parsing `snapshot` params: " + text, Code: code}
	}
	switch {
	case spec.Event != "*":
		return refuse(protocol.CodeInvalidBinding, `a binding with a snapshot is for the event "*"`)
	case spec.Schema == "*" || spec.Table == "*":
		return refuse(protocol.CodeInvalidBinding, "a binding with a snapshot names one schema and one table")
	}
	s := &Snapshot{Limit: NoLimit}
	var err error
	if s.Order, err = filters.ParseOrder(spec.Sorted().Order); err != nil {
		return refuse(protocol.CodeInvalidOrder, err.Error())
	}
	for _, term := range s.Order {
		if column, _, _ := strings.Cut(term.Column, "->"); !protocol.IsName(column) || len(column) > protocol.MaxIdentifier {
			return refuse(protocol.CodeInvalidOrder, "no column can have the name "+protocol.Quote(clip(column)))
		}
	}
	if text := spec.Sorted().Limit; text != "" {
		limit, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return refuse(protocol.CodeInvalidLimit, "the limit is a whole number of rows, got "+protocol.Quote(clip(text)))
		}
		s.Limit = int(limit)
	}
	if spec.View && s.Limit != NoLimit {
		return refuse(protocol.CodeLimitWithView, "a view has all rows that match its filter: `limit` is for `snapshot` alone")
	}
	return s, nil
}

// Snapshot is what the binding asks of a snapshot, nil if it asks for none. It is read
// anew each time: few bindings have one, and a channel may have thousands.
func (b *Binding) Snapshot() *Snapshot {
	s, _ := parseSnapshot(b.Spec) // Parse has found that nothing is wrong with it
	return s
}

// snapshotIdentity is a text that is equal for snapshots that are alike.
func (b *Binding) snapshotIdentity() string {
	of := b.Snapshot()
	if of == nil {
		return ""
	}
	return "snapshot " + strconv.FormatBool(b.Spec.View) + " " + strconv.Itoa(of.Limit) + " " + b.Spec.Sorted().Order
}

// checkSnapshot checks what a snapshot needs of a table beyond what changes need.
func (c *Checker) checkSnapshot(ctx context.Context, s *policy.Subject, b *Binding, rel *wal.Relation, view *policy.View) (*protocol.Problem, error) {
	of := b.Snapshot()
	if of == nil {
		return nil, nil
	}
	if c.snapshotRows > 0 && of.Limit > c.snapshotRows {
		return &protocol.Problem{
			Message: refusedSnapshot(b, fmt.Sprintf("the limit may be %d at most, which is the setting snapshot-rows", c.snapshotRows)), Code: protocol.CodeInvalidLimit,
		}, nil
	}
	for _, term := range of.Order {
		column := columnOf(rel, term.Column)
		switch i := rel.Column(column); {
		case i < 0:
			return c.lacking(ctx, s, b, forOrder, column, rel)
		case !view.Columns[i]:
			return notGranted(b, forOrder, column, rel, s.Role), nil
		}
	}
	key, err := c.tables.key(ctx, b.TableName(), rel.OID, c.believed)
	if err != nil {
		return nil, err
	}
	if p := Unreadable(b, rel, view, key, s.Role); p != nil || !b.Spec.View {
		return p, nil
	}
	return c.checkView(ctx, b, rel)
}

// columnOf is the column that a name with a path, or without one, begins with.
func columnOf(rel *wal.Relation, name string) string {
	if rel.Column(name) >= 0 {
		return name
	}
	column, _, _ := strings.Cut(name, "->")
	return column
}

// Unreadable says why there can be no snapshot of a table for a role, nil if there
// can be. key is the columns that tell the table's rows apart.
func Unreadable(b *Binding, rel *wal.Relation, view *policy.View, key []string, role string) *protocol.Problem {
	name := quote(rel.Schema, rel.Table)
	missing := slices.DeleteFunc(slices.Clone(key), func(c string) bool { return rel.Column(c) >= 0 })
	denied := slices.DeleteFunc(slices.Clone(key), func(c string) bool { i := rel.Column(c); return i < 0 || view.Columns[i] })
	switch {
	case view.NoUsage:
		return deniedBy(b, fmt.Sprintf("role %q may not use schema %s", role, quote(rel.Schema)), cure{grantUsage(rel, role), costOfUsage})
	case !slices.Contains(view.Columns, true):
		return deniedBy(b, fmt.Sprintf("role %q may not SELECT from %s", role, name), cure{grant(rel, role), costOfGrant})
	case len(key) == 0:
		return problemOf(b, protocol.CodeNoKey, name+" has neither a primary key nor an index as replica identity, by which clients could tell its rows apart", cure{cost: keyCure})
	case len(missing) > 0:
		return problemOf(b, protocol.CodeNoKey, fmt.Sprintf("the publication leaves out %s, which clients need to tell the rows of %s apart", strings.Join(missing, ", "), name),
			cure{cost: "the columns of the key have to be in the publication's list of columns"})
	case len(denied) > 0:
		return problemOf(b, protocol.CodeKeyNotGranted, fmt.Sprintf("role %q may not SELECT the key of %s, by which clients tell its rows apart", role, name),
			cure{grant(rel, role, denied...), costOfGrant})
	}
	return nil
}

// keyCure is said in place of SQL: only the owner knows which columns make a key.
const keyCure = "give the table a primary key, or a unique index of NOT NULL columns with ALTER TABLE … REPLICA IDENTITY USING INDEX"

func deniedBy(b *Binding, text string, c cure) *protocol.Problem {
	return problemOf(b, protocol.CodeSnapshotDenied, text, c)
}

func problemOf(b *Binding, code, text string, c cure) *protocol.Problem {
	text = refusedSnapshot(b, text)
	if c.fix != "" {
		text += ". To get it: " + c.fix
	} else if c.cost != "" {
		text += ". Cure: " + c.cost
	}
	return &protocol.Problem{Message: text, Code: code, Fix: c.fix, Cost: c.cost}
}

// refusedSnapshot words why a snapshot does not come.
func refusedSnapshot(b *Binding, why string) string {
	return fmt.Sprintf("No snapshot of %s: %s", quote(b.Spec.Schema, b.Spec.Table), why)
}

// NotSettable is the problem of a snapshot for a role that walcast's user may not
// become.
func NotSettable(b *Binding, s *policy.Subject, err error) *protocol.Problem {
	p := unknownRole(b, s.Role, err)
	return problemOf(b, protocol.CodeSnapshotDenied, err.Error(), cure{p.Fix, p.Cost})
}

// TooManyRows is the problem of a snapshot with more rows than are sent without a
// limit, or with more bytes than there is room for.
func TooManyRows(b *Binding, limit int, unit string) *protocol.Problem {
	return problemOf(b, protocol.CodeSnapshotTooLarge, fmt.Sprintf("it has more than %d %s, which is the limit", limit, unit),
		cure{cost: "a filter, or an order with a limit, takes fewer"})
}

// SnapshotTimeout is the problem of a snapshot that takes Postgres too long.
func SnapshotTimeout(b *Binding, limit time.Duration) *protocol.Problem {
	return problemOf(b, protocol.CodeSnapshotTimeout, fmt.Sprintf("Postgres takes more than %s for it", limit), cure{cost: "an index for its filter and order, or fewer rows"})
}

// Unordered is the problem of a snapshot in an order that a type does not have.
func Unordered(b *Binding) *protocol.Problem {
	return problemOf(b, protocol.CodeInvalidOrder, "rows cannot be sorted by "+protocol.Quote(clip(b.Spec.Sorted().Order)), cure{})
}

// OnStandby is the problem of all snapshots where walcast reads from a standby.
func OnStandby(b *Binding) *protocol.Problem {
	return problemOf(b, protocol.CodeSnapshotDenied, "walcast reads from a standby, which cannot tell what a snapshot sees", cure{cost: "it takes a connection to the primary"})
}

// SnapshotRaised is the problem of a snapshot for which Postgres raised an error. What
// it said may quote rows.
func SnapshotRaised(b *Binding, view *policy.View, sqlState string) *protocol.Problem {
	code, what := protocol.CodeFilterRaised, "the filter"
	if view != nil && view.RowSecurity {
		code, what = protocol.CodePolicyRaised, "row-level security, or the filter,"
	}
	return problemOf(b, code, fmt.Sprintf("%s raised ERROR %s (the server's log has its text)", what, sqlState), cure{})
}

// HiddenColumns is the problem of a snapshot of a table whose rows the publication
// filters by columns that the role may not read, or that Postgres denies otherwise.
func HiddenColumns(b *Binding, rel *wal.Relation, role string) *protocol.Problem {
	return deniedBy(b, fmt.Sprintf("role %q may not read all that decides which rows of %s are published", role, quote(rel.Schema, rel.Table)), cure{grant(rel, role), costOfGrant})
}
