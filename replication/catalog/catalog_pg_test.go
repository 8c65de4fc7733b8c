package catalog

import (
	"slices"
	"testing"

	"walcast/internal/devdb"
	"walcast/replication/wal"
)

// typeOIDs looks up types by name.
func typeOIDs(t *testing.T, db *devdb.DB, names ...string) []uint32 {
	t.Helper()
	var oids []uint32
	err := db.Pool.QueryRow(t.Context(), `select array(select n::regtype::oid from unnest($1::text[]) with ordinality u(n, i) order by i)`, names).Scan(&oids)
	if err != nil {
		t.Fatal(err)
	}
	return oids
}

func relationOID(t *testing.T, db *devdb.DB, name string) uint32 {
	t.Helper()
	var oid uint32
	if err := db.Pool.QueryRow(t.Context(), `select $1::text::regclass::oid`, name).Scan(&oid); err != nil {
		t.Fatal(err)
	}
	return oid
}

// structure writes what a type is made of, as far as reading its text needs it.
func structure(t *wal.Type) string {
	s := t.Name
	switch t.Kind {
	case wal.KindArray:
		s += " array by " + string(t.Delimiter) + " of <" + structure(t.Element) + ">"
	case wal.KindDomain:
		s += " domain over <" + structure(t.Base) + ">"
	case wal.KindEnum:
		s += " enum"
		for _, label := range t.Labels {
			s += " " + label
		}
	case wal.KindRange:
		s += " range of <" + structure(t.Element) + ">"
	case wal.KindMultirange:
		s += " multirange of <" + structure(t.Element) + ">"
	case wal.KindComposite:
		s += " composite"
		for _, f := range t.Fields {
			s += " " + f.Name + " <" + structure(f.Type) + ">"
		}
	}
	return s
}

func TestDescribeResolvesTypes(t *testing.T) {
	t.Parallel()
	db := devdb.Open(t)
	db.Exec(`
		create type mood as enum ('sad', 'ok', 'happy'); alter type mood add value 'calm' before 'ok';
		create domain score as int check (value > 0);
		create domain top as score;
		create domain tags as text[];
		create type span as range (subtype = numeric, multirange_type_name = spans);
		create type "Pair" as (a top, "B c" mood[], gone int);
		alter type "Pair" drop attribute gone;
		create table boxes (b box[])`)
	cases := map[string]string{
		"int4":        "int4",
		"int2vector":  "int2vector array by   of <int2>",
		"box[]":       "_box array by ; of <box>",
		"int4range[]": "_int4range array by , of <int4range range of <int4>>",
		"mood":        "mood enum sad calm ok happy",
		"mood[]":      "_mood array by , of <mood enum sad calm ok happy>",
		"top":         "top domain over <score domain over <int4>>",
		"top[]":       "_top array by , of <top domain over <score domain over <int4>>>",
		"tags":        "tags domain over <_text array by , of <text>>",
		"span":        "span range of <numeric>",
		"spans":       "spans multirange of <span range of <numeric>>",
		`"Pair"[]`:    "_Pair array by , of <Pair composite a <top domain over <score domain over <int4>>> B c <_mood array by , of <mood enum sad calm ok happy>>>",
		"boxes":       "boxes composite b <_box array by ; of <box>>",
		"bool":        "bool",
	}
	c := New(db.Pool, nil)
	for name, want := range cases {
		oids := typeOIDs(t, db, name)
		d, err := c.Describe(t.Context(), 0, oids)
		if err != nil {
			t.Fatal(err)
		}
		if got := d.Types[oids[0]]; got == nil || got.OID != oids[0] || structure(got) != want {
			t.Errorf("type %s = %s; want %s", name, structure(got), want)
		}
	}
}

func TestDescribeLeavesOutWhatIsGone(t *testing.T) {
	t.Parallel()
	db := devdb.Open(t)
	d, err := New(db.Pool, nil).Describe(t.Context(), 4_000_000_000, []uint32{23, 4_000_000_001, 0})
	if err != nil || len(d.Types) != 1 || d.Types[23] == nil || len(d.Key) != 0 {
		t.Errorf("Describe = %+v, %v; want int4 alone", d, err)
	}
}

func TestDescribeReturnsTheKeyInItsOrder(t *testing.T) {
	t.Parallel()
	db := devdb.Open(t)
	db.Exec(`create table lines (gone int, "Item" text, order_id int, n int, primary key (n, "Item")); alter table lines drop column gone;
		create table keyless (id int unique)`)
	for table, want := range map[string][]string{"lines": {"n", "Item"}, "keyless": nil} {
		d, err := New(db.Pool, nil).Describe(t.Context(), relationOID(t, db, table), nil)
		if err != nil || !slices.Equal(d.Key, want) {
			t.Errorf("key of %s = %v, %v; want %v", table, d.Key, err, want)
		}
	}
}

func TestPublishedFindsTables(t *testing.T) {
	t.Parallel()
	db := devdb.Open(t)
	db.Exec(`create schema app; create table orders (id int primary key); create table app.orders (id int primary key);
		create table app."Lines" (id int primary key); create table hidden (id int primary key);
		create publication one for table orders, app.orders; create publication two for table app.orders, app."Lines"`)
	cases := []struct {
		schema, table string
		publications  []string
		want          []string
	}{
		{"*", "*", []string{"one", "two"}, []string{"app.Lines", "app.orders", "public.orders"}},
		{"*", "*", []string{"one"}, []string{"app.orders", "public.orders"}},
		{"app", "*", []string{"one", "two"}, []string{"app.Lines", "app.orders"}},
		{"*", "orders", []string{"one", "two"}, []string{"app.orders", "public.orders"}},
		{"public", "orders", []string{"one"}, []string{"public.orders"}},
		{"public", "hidden", []string{"one"}, nil},
		{"p%", "o_ders", []string{"one"}, nil},
		{"*", "*", []string{"none"}, nil},
	}
	for _, c := range cases {
		relations, err := New(db.Pool, c.publications).Published(t.Context(), c.schema, c.table)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range relations {
			got = append(got, r.Schema+"."+r.Table)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("Published(%s, %s) of %v = %v; want %v", c.schema, c.table, c.publications, got, c.want)
		}
	}
}
