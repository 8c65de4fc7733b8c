package diagnose

import (
	"context"
	"errors"
	"time"

	"walcast/filters"
	"walcast/policy"
	"walcast/protocol"
	"walcast/replication/catalog"
	"walcast/replication/wal"
)

// Believed is for how long an answer of the catalog is used for checks. It is short,
// as clients join again soon after a problem was cured.
const Believed = 2 * time.Second

// Checker checks bindings against the database. It is safe for concurrent use.
type Checker struct {
	catalog  catalog.Catalog
	tables   *tableCache
	schemas  *schemaCache
	checked  *cache[selection, checked]
	policy   *policy.Policy
	locale   filters.Locale
	asker    filters.Asker
	believed time.Duration

	snapshotRows int // see LimitSnapshots
}

// NewChecker returns a checker of bindings. The locale and the asker must be those
// that filters are matched with.
func NewChecker(c catalog.Catalog, p *policy.Policy, l filters.Locale, a filters.Asker) *Checker {
	return &Checker{
		catalog: c, tables: newTableCache(c), schemas: newSchemaCache(c), checked: newCache[selection, checked](fineBytes, Believed),
		policy: p, locale: l, asker: a, believed: Believed,
	}
}

// LimitSnapshots has bindings refused whose snapshots have a greater limit. It must be
// called, if at all, before the first check.
func (c *Checker) LimitSnapshots(rows int) { c.snapshotRows = rows }

// fineBytes bounds the memory of selections without a problem. Equal selections need
// no check for a moment; a binding with a problem is checked again each time.
const fineBytes = 256 << 10

// Check checks a subject's bindings up to the first that cannot work. An error means
// that the database did not answer.
func (c *Checker) Check(ctx context.Context, s *policy.Subject, bindings []Binding) (found Finding, err error) {
	k := c.Begin(s, bindings)
	for done := false; !done && err == nil; {
		done, err = k.Step(ctx)
	}
	return k.found, err
}

// absent says why a binding concerns no published table. Only roles that may use the
// schema are told whether there is a table of that name. All others get one and the
// same answer, before the name is looked up, so that the time it takes tells nothing
// either.
func (c *Checker) absent(ctx context.Context, s *policy.Subject, b *Binding) (*protocol.Problem, error) {
	missing, err := c.tables.missingNames(ctx, c.believed)
	if err != nil {
		return nil, err
	}
	if b.Spec.Schema != "*" {
		usable, err := c.schemas.usable(ctx, s.Role, b.Spec.Schema, c.believed)
		switch {
		case err != nil:
			return nil, err
		case !usable && len(missing) > 0:
			return withoutPublication(b, missing), nil
		case !usable:
			return unusableSchema(b), nil
		}
	}
	why, err := c.tables.absent(ctx, b.TableName(), c.believed)
	if err != nil {
		return nil, err
	}
	return unpublished(b, why, missing), nil
}

// checked is a check that has found no problem.
type checked struct {
	at time.Time
	on []uint32 // the tables that the result depends on
	in []uint32 // the tables that a binding with wildcards covers, see Finding
}

// isFine reports whether a check of an equal selection has found no problem a moment
// ago, and that check.
func (c *Checker) isFine(s selection, now time.Time) (last checked, fine bool) {
	last, known := c.checked.get(s, now)
	return last, known && now.Sub(last.at) < c.believed
}

// fine records that a check has found no problem.
func (c *Checker) fine(s selection, last checked) {
	c.checked.put(s.clone(), last, s.size()+4*len(last.on)+4*len(last.in), last.at)
}

// Expire forgets what was not asked for lately.
func (c *Checker) Expire(now time.Time) {
	c.tables.names.expire(now)
	c.schemas.roles.expire(now)
	c.checked.expire(now)
}

// Bytes returns about how much memory the answers that are kept take, in bytes.
func (c *Checker) Bytes() int {
	return c.tables.names.size() + c.schemas.roles.size() + c.checked.size()
}

// Forget has the catalog asked again about a name. It is to be called when a table
// of that name was published.
func (c *Checker) Forget(schema, table string) {
	c.tables.forget(catalog.TableName{Schema: schema, Table: table})
}

// Prints takes the fingerprints of what findings depend on.
func (c *Checker) Prints(ctx context.Context, relations []uint32) (catalog.Prints, error) {
	return c.catalog.Prints(ctx, relations)
}

// Published returns all tables that are published at present.
func (c *Checker) Published(ctx context.Context) ([]catalog.TableName, error) {
	return c.catalog.PublishedNames(ctx)
}

// checkTable checks a binding against one table: the role, the columns of the
// filter and of select, and the filter's values.
func (c *Checker) checkTable(ctx context.Context, s *policy.Subject, b *Binding, rel *wal.Relation, resolve resolver) (warnings []protocol.Problem, refused *protocol.Problem, err error) {
	view, err := c.policy.ViewWithin(ctx, rel, s, c.believed)
	if errors.Is(err, policy.ErrUnknownRole) {
		return nil, unknownRole(b, s.Role, err), nil
	}
	if err != nil {
		return nil, nil, err
	}
	for _, i := range filters.Columns(rel, b.Filter) {
		if !view.Columns[i] {
			return nil, notGranted(b, forFilter, rel.Columns[i].Name, rel, s.Role), nil
		}
	}
	for _, column := range b.Spec.Select {
		switch i := rel.Column(column); {
		case i < 0:
			refused, err = c.lacking(ctx, s, b, forSelect, column, rel)
			return nil, refused, err
		case !view.Columns[i]:
			return nil, notGranted(b, forSelect, column, rel, s.Role), nil
		}
	}
	if refused, err = c.checkSnapshot(ctx, s, b, rel, view); err != nil || refused != nil {
		return nil, refused, err
	}
	err = resolve(ctx, s, b, rel)
	var unfit *filters.BindError
	switch {
	case !errors.As(err, &unfit):
		var shape catalog.Shape
		if err == nil && len(narrow(b, rel)) > 0 {
			shape, err = c.tables.shape(ctx, b.TableName(), rel.OID, c.believed)
		}
		return warningsFor(b, rel, shape, view, s.Role, c.policy.Unjudged(view, s)), nil, err
	case unfit.Lacks != "":
		refused, err = c.lacking(ctx, s, b, forFilter, unfit.Lacks, rel)
		return nil, refused, err
	}
	return nil, unusable(b, unfit), nil
}

// resolver says why a binding's filter cannot work on a table. A *filters.BindError is
// about the filter, any other error means that the database did not answer.
type resolver func(context.Context, *policy.Subject, *Binding, *wal.Relation) error

// values resolves a filter with its values, about which Postgres may be asked. The
// filter with Postgres' readings in it is not kept: it is for this table alone, while
// the Binding that is matched is one for all tables that it covers.
func (c *Checker) values(ctx context.Context, s *policy.Subject, b *Binding, rel *wal.Relation) error {
	_, err := filters.Resolve(ctx, rel, b.Filter, c.locale, c.asker, s)
	return err
}

// certain resolves a filter as far as that can be done without asking Postgres.
func (c *Checker) certain(_ context.Context, _ *policy.Subject, b *Binding, rel *wal.Relation) error {
	return filters.Check(rel, b.Filter, c.locale)
}

// lacking returns what is wrong with a binding for a column that its relation does not
// have. A role that may not use the schema gets the answer that it gets for columns
// that exist.
func (c *Checker) lacking(ctx context.Context, s *policy.Subject, b *Binding, of purpose, column string, rel *wal.Relation) (*protocol.Problem, error) {
	usable, err := c.schemas.usable(ctx, s.Role, rel.Schema, c.believed)
	if err != nil {
		return nil, err
	}
	if !usable {
		return notGranted(b, of, column, rel, s.Role), nil
	}
	exists, err := c.catalog.HasColumn(ctx, rel.OID, column)
	if err != nil {
		return nil, err
	}
	p := unusableColumn(b, of, column)
	if exists {
		p.Code = protocol.CodeColumnNotPublished
	}
	return p, nil
}
