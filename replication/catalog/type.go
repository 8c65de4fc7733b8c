package catalog

import (
	"context"

	"github.com/jackc/pgx/v5"

	"walcast/replication/wal"
)

// typesQuery returns the given types and all that they are made of. A type is
// an array if its element says so: int2vector has an element, too, and prints
// without braces.
const typesQuery = `
	with recursive wanted(oid) as (
		select unnest($1::oid[])
		union
		select part.oid
		from wanted w
		join pg_type t on t.oid = w.oid
		cross join lateral (
			select t.typbasetype as oid
			union all select e.oid from pg_type e where e.oid = t.typelem and e.typarray = t.oid
			union all select r.rngsubtype from pg_range r where r.rngtypid = t.oid
			union all select r.rngtypid from pg_range r where r.rngmultitypid = t.oid
			union all select a.atttypid from pg_attribute a
				where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
		) part
		where part.oid <> 0
	)
	select t.oid, n.nspname::text, t.typname::text,
		case when e.oid is not null then 'A' else t.typtype::text end,
		t.typcategory::text,
		coalesce(e.typdelim, t.typdelim)::text,
		coalesce(e.oid, r.rngsubtype, m.rngtypid, 0)::oid,
		t.typbasetype,
		array(select l.enumlabel::text from pg_enum l where l.enumtypid = t.oid order by l.enumsortorder),
		array(select a.attname::text from pg_attribute a
			where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped order by a.attnum),
		array(select a.atttypid from pg_attribute a
			where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped order by a.attnum)
	from wanted w
	join pg_type t on t.oid = w.oid
	join pg_namespace n on n.oid = t.typnamespace
	left join pg_type e on e.oid = t.typelem and e.typarray = t.oid
	left join pg_range r on r.rngtypid = t.oid
	left join pg_range m on m.rngmultitypid = t.oid`

// typeRow is one row of typesQuery.
type typeRow struct {
	oid                       uint32
	schema, name              string
	kind, category, delimiter string
	element, base             uint32
	labels, fieldNames        []string
	fieldTypes                []uint32
}

// readTypes resolves types by OID. What is gone by now is missing from the map.
func readTypes(ctx context.Context, db querier, oids []uint32) (map[uint32]*wal.Type, error) {
	found := make(map[uint32]*wal.Type, len(oids))
	var custom []uint32
	for _, oid := range oids {
		if t := wal.BuiltinType(oid); t != nil {
			found[oid] = t
		} else if oid != 0 {
			custom = append(custom, oid)
		}
	}
	if len(custom) == 0 {
		return found, nil
	}
	rows, err := db.Query(ctx, typesQuery, custom)
	if err != nil {
		return nil, err
	}
	var r typeRow
	var all []typeRow
	into := []any{&r.oid, &r.schema, &r.name, &r.kind, &r.category, &r.delimiter, &r.element, &r.base, &r.labels, &r.fieldNames, &r.fieldTypes}
	_, err = pgx.ForEachRow(rows, into, func() error {
		all = append(all, r)
		r = typeRow{}
		return nil
	})
	if err != nil {
		return nil, err
	}
	built := buildTypes(all)
	for _, oid := range custom {
		if t := built[oid]; t != nil {
			found[oid] = t
		}
	}
	return found, nil
}

// buildTypes makes the types first and links them then, as types may refer to
// one another in any order.
func buildTypes(rows []typeRow) map[uint32]*wal.Type {
	types := make(map[uint32]*wal.Type, len(rows))
	for _, r := range rows {
		if t := wal.BuiltinType(r.oid); t != nil {
			types[r.oid] = t
			continue
		}
		types[r.oid] = &wal.Type{
			OID: r.oid, Schema: r.schema, Name: r.name,
			Kind: wal.TypeKind(r.kind[0]), Category: r.category[0], Delimiter: r.delimiter[0],
		}
	}
	part := func(oid uint32) *wal.Type {
		if t := types[oid]; t != nil {
			return t
		}
		return wal.UnknownType(oid)
	}
	for _, r := range rows {
		t := types[r.oid]
		if wal.BuiltinType(r.oid) != nil {
			continue
		}
		if r.element != 0 {
			t.Element = part(r.element)
		}
		if r.base != 0 {
			t.Base = part(r.base)
		}
		if len(r.labels) > 0 {
			t.Labels = r.labels
		}
		for i, name := range r.fieldNames {
			t.Fields = append(t.Fields, wal.Field{Name: name, Type: part(r.fieldTypes[i])})
		}
	}
	return types
}
