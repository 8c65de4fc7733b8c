package diagnose

import (
	"context"
	"errors"
	"slices"
	"time"

	"walcast/filters"
	"walcast/policy"
	"walcast/protocol"
	"walcast/replication/catalog"
	"walcast/replication/wal"
)

// believed is how old may be what a binding is checked against: who has cured a
// problem joins again at once.
const believed = 2 * time.Second

// Checker checks bindings against the database. It is safe for concurrent use.
type Checker struct {
	catalog  catalog.Catalog
	tables   *tableCache
	schemas  *schemaCache
	policy   *policy.Policy
	locale   filters.Locale
	asker    filters.Asker
	believed time.Duration
}

// NewChecker returns a checker of bindings. The locale and the asker are those
// that filters are matched with.
func NewChecker(c catalog.Catalog, p *policy.Policy, l filters.Locale, a filters.Asker) *Checker {
	return &Checker{catalog: c, tables: newTableCache(c), schemas: newSchemaCache(c), policy: p, locale: l, asker: a, believed: believed}
}

// Finding is what a check of bindings came to.
type Finding struct {
	Refused  *protocol.Problem // why none of the bindings can work
	Absent   *Binding          // the one without a published table, if that is why
	Warnings []protocol.Problem
}

// warningsTold is how many warnings a client gets: a binding with wildcards may
// have some for each of many tables.
const warningsTold = 10

// Told is which warnings the client gets, each once.
func (f Finding) Told() (told []protocol.Problem) {
	for i, w := range f.Warnings {
		if slices.Index(f.Warnings, w) == i && len(told) < warningsTold {
			told = append(told, w)
		}
	}
	return told
}

// Check checks every binding of a subject, until one cannot work. An error means
// that the database did not answer.
func (c *Checker) Check(ctx context.Context, s *policy.Subject, bindings []Binding) (found Finding, err error) {
	for i := range bindings {
		b := &bindings[i]
		relations, err := c.tables.published(ctx, nameOf(b), c.believed)
		if err != nil {
			return found, err
		}
		if len(relations) == 0 {
			found.Absent = b
			found.Refused, err = c.absent(ctx, s, b)
			return found, err
		}
		for _, rel := range relations {
			warnings, refused, err := c.checkTable(ctx, s, b, rel)
			if err != nil || refused != nil {
				found.Refused = refused
				return found, err
			}
			found.Warnings = append(found.Warnings, warnings...)
		}
	}
	return found, nil
}

func nameOf(b *Binding) catalog.TableName {
	return catalog.TableName{Schema: b.Spec.Schema, Table: b.Spec.Table}
}

// absent says why a binding concerns no published table. Whether there is one
// of the name is for those who may use its schema. The others get one answer, and
// before anything of the name is looked up: the time that it takes tells nothing
// either.
func (c *Checker) absent(ctx context.Context, s *policy.Subject, b *Binding) (*protocol.Problem, error) {
	if b.Spec.Schema != "*" {
		usable, err := c.schemas.usable(ctx, s.Role, b.Spec.Schema, c.believed)
		if err != nil {
			return nil, err
		}
		if !usable {
			return unusableSchema(b), nil
		}
	}
	why, err := c.tables.absent(ctx, nameOf(b), c.believed)
	if err != nil {
		return nil, err
	}
	return unpublished(b, why), nil
}

// Forget has the catalog asked anew about a name, as when its table has come.
func (c *Checker) Forget(schema, table string) {
	c.tables.forget(catalog.TableName{Schema: schema, Table: table})
}

// Published is all tables that are published at present.
func (c *Checker) Published(ctx context.Context) ([]catalog.TableName, error) {
	return c.catalog.PublishedNames(ctx)
}

// checkTable checks a binding against one table: the role, the columns of the
// filter and of select, and the filter's values.
func (c *Checker) checkTable(ctx context.Context, s *policy.Subject, b *Binding, rel *wal.Relation) (warnings []protocol.Problem, refused *protocol.Problem, err error) {
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
	_, err = filters.Resolve(ctx, rel, b.Filter, c.locale, c.asker, s)
	var refusal *filters.BindError
	switch {
	case !errors.As(err, &refusal):
		return warningsFor(b, rel, view, s.Role), nil, err
	case refusal.Lacks != "":
		refused, err = c.lacking(ctx, s, b, forFilter, refusal.Lacks, rel)
		return nil, refused, err
	}
	return nil, unusable(b, refusal), nil
}

// lacking is the refusal of a binding for a column that its relation does not
// have. Who may not use the schema is told what it is told of columns that
// there are.
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
