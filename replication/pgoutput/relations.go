package pgoutput

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"walcast/replication/wal"
)

// describeAgain is how much commit time passes before a relation that could
// not be described is tried again. The decoder has no clock of its own.
const describeAgain = 10 * time.Second

// relations remembers the newest Relation of each table OID: pgoutput sends
// names and types once and refers to them by OID afterwards.
type relations struct {
	describe func(relation uint32, types []uint32) (wal.Description, error)
	known    map[uint32]*known
	types    map[uint32]*wal.Type // resolved ones that are not built in
	hints    map[uint32]typeHint
	last     *known // rows of one table tend to come together
}

// known is the newest relation of an OID, with what tells whether it is out of
// date.
type known struct {
	relation *wal.Relation
	message  string // the Relation message that it was made of
	last     uint32 // the last transaction with rows of it
	enums    []enumColumn
	asked    map[string]bool // labels that the catalog was asked for

	root       *known // the table under whose name its rows come, if it is a partition
	partitions partitions

	incomplete bool      // describe failed
	tried      time.Time // commit time of that
	outdated   bool      // a type has changed
}

// enumColumn has the labels that values of a column may have. A label that is
// not among them was added since: ALTER TYPE … ADD VALUE causes no message.
type enumColumn struct {
	index  int
	labels map[string]bool
}

// typeHint is a Type message: the name of a type, or that of a domain's base.
type typeHint struct{ schema, name string }

func newRelations(describe func(uint32, []uint32) (wal.Description, error)) relations {
	return relations{
		describe: describe,
		known:    make(map[uint32]*known),
		types:    make(map[uint32]*wal.Type),
		hints:    make(map[uint32]typeHint),
	}
}

// find returns the relation of a row of a transaction.
func (rs *relations) find(oid uint32, tx *transaction) (*known, error) {
	r := rs.last
	if r == nil || r.relation.OID != oid {
		if r = rs.known[oid]; r == nil {
			return nil, fmt.Errorf("unknown relation %d", oid)
		}
		rs.last = r
	}
	r.last = tx.xid
	if r.outdated || r.incomplete && tx.time.Sub(r.tried).Abs() >= describeAgain {
		rs.refresh(r, tx.time)
	}
	return r, nil
}

// outdate has the relations described again that have columns of the types.
func (rs *relations) outdate(types []uint32) {
	for _, r := range rs.known {
		r.outdated = r.outdated || slices.ContainsFunc(r.relation.Columns, func(c wal.Column) bool {
			for part := range c.Type.Parts() {
				if slices.Contains(types, part.OID) {
					return true
				}
			}
			return false
		})
	}
}

// hint reads a Type message.
func (rs *relations) hint(f *fields) {
	oid, schema, name := f.uint32(), f.text(), f.text()
	if !f.short {
		rs.hints[oid] = typeHint{schema, name}
	}
}

// learn reads a Relation message. Most say what is known already (ANALYZE and
// GRANT cause them); they make a new Relation all the same, see wal.Relation.
func (rs *relations) learn(f *fields, tx *transaction) error {
	message := f.rest()
	rel, oids, err := f.relation()
	if err != nil {
		return err
	}
	r := rs.known[rel.OID]
	if r == nil {
		r = &known{}
		rs.known[rel.OID] = r
	}
	same, previous := r.message == message, r.relation
	rel.Announced = wal.Announcement{First: tx.first, Last: r.last, XID: tx.xid}
	r.relation, r.message = rel, message
	// Only the default identity shows the primary key. An index or FULL hides
	// it, and the same message may follow a change of the key.
	if same && !r.incomplete && !r.outdated && showsKey(rel) {
		again := *previous
		again.Announced = rel.Announced
		r.relation = &again
		return nil
	}
	if !same {
		r.asked = nil
	}
	if previous != nil && !sameNames(previous, rel) {
		r.dismiss()
	}
	rs.resolve(r, oids, previous, tx.time)
	return nil
}

// join notes that rows of a partition come under the name of its root.
func (rs *relations) join(root, partition uint32) {
	r, p := rs.known[root], rs.known[partition]
	if r == nil || p == nil {
		return // the row that tells of it fails
	}
	if p.root != nil && p.root != r {
		p.root.partitions.remove(p)
	}
	p.root = r
	r.partitions.add(p)
	rel := *r.relation
	if rel.Old = r.partitions.settle(&rel); !slices.Equal(rel.Old, r.relation.Old) {
		r.relation = wal.NewRelation(rel)
	}
}

// dismiss forgets the partitions of a table whose columns are others: theirs are too, so
// that they are described again before their next rows.
func (r *known) dismiss() {
	for _, p := range r.partitions.list {
		p.root = nil
	}
	r.partitions = partitions{}
}

// refresh describes a relation again and replaces it, unless it is as it was.
func (rs *relations) refresh(r *known, at time.Time) {
	rel := *r.relation
	rel.Columns = slices.Clone(rel.Columns)
	oids := make([]uint32, len(rel.Columns))
	for i := range rel.Columns {
		oids[i] = rel.Columns[i].Type.OID
	}
	previous := r.relation
	r.relation = &rel
	rs.resolve(r, oids, previous, at)
	if r.relation.SameShape(previous) {
		r.relation = previous // what depends on it need not be read again
	}
}

// resolve completes r.relation, which has names and flags only, with types and key.
func (rs *relations) resolve(r *known, oids []uint32, previous *wal.Relation, at time.Time) {
	rel := r.relation
	var custom []uint32
	for _, oid := range oids {
		if wal.BuiltinType(oid) == nil && !slices.Contains(custom, oid) {
			custom = append(custom, oid)
		}
	}
	description, err := wal.Description{}, error(nil)
	if len(custom) > 0 || !showsKey(rel) {
		description, err = rs.describe(rel.OID, custom)
	}
	r.incomplete, r.tried, r.outdated = err != nil, at, false
	for oid, t := range description.Types {
		rs.types[oid] = t
	}
	for i, oid := range oids {
		rel.Columns[i].Type = rs.typeOf(oid)
	}
	switch {
	case showsKey(rel):
		for i := range rel.Columns {
			rel.Columns[i].Key = rel.Columns[i].Identity
		}
	case err != nil:
		keepKey(rel, previous)
	default:
		setKey(rel, description.Key)
	}
	rel.Old = r.partitions.settle(rel)
	r.relation = wal.NewRelation(*rel)
	r.watchEnums()
}

// typeOf is the best that is known of a type: the catalog's answer, an earlier
// one, or what the stream hints at.
func (rs *relations) typeOf(oid uint32) *wal.Type {
	if t := wal.BuiltinType(oid); t != nil {
		return t
	}
	if t := rs.types[oid]; t != nil {
		return t
	}
	t := wal.UnknownType(oid)
	hint, ok := rs.hints[oid]
	if !ok {
		return t
	}
	t.Schema, t.Name = hint.schema, hint.name
	// A name in pg_catalog (sent as "") under a foreign OID is a domain's base.
	if base := wal.BuiltinTypeByName(hint.name); hint.schema == "" && base != nil {
		t.Schema, t.Kind, t.Category, t.Base = "pg_catalog", wal.KindDomain, base.Category, base
	}
	return t
}

// watchEnums notes which columns are of an enum, and its labels.
func (r *known) watchEnums() {
	r.enums = nil
	for i, c := range r.relation.Columns {
		if t := c.Type.Underlying(); t.Kind == wal.KindEnum {
			labels := make(map[string]bool, len(t.Labels))
			for _, l := range t.Labels {
				labels[l] = true
			}
			r.enums = append(r.enums, enumColumn{i, labels})
		}
	}
}

// isStale reports whether the row has an enum label that is not known, so that
// the relation has to be described again. It says so once for each label: the
// label may have been renamed since, and stay unknown.
func (r *known) isStale(row wal.Row) bool {
	stale := false
	for _, e := range r.enums {
		if row == nil || row[e.index].Kind != wal.Text {
			continue
		}
		label := row[e.index].Text
		if e.labels[label] || r.asked[label] {
			continue
		}
		if r.asked == nil {
			r.asked = make(map[string]bool)
		}
		r.asked[strings.Clone(label)] = true
		stale = true
	}
	return stale
}
