package rowjson

import (
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"walcast/internal/devdb"
	"walcast/replication/catalog"
	"walcast/replication/wal"
)

// customTypes are those that the server does not have of itself.
const customTypes = `
	create extension hstore;
	create type mood as enum ('sad', 'it''s "ok"', 'happy, very');
	create domain posint as int check (value > 0);
	create domain posints as posint[];
	create domain digest as bytea;
	create type pair as (a int, "b ""c""" text);
	create type nested as (pairs pair[], at timestamptz, raw bytea, tags hstore, doc json, ok bool, price numeric, moods mood[])`

// outputSettingsX is what the text of values depends on.
const outputSettings = `
	set datestyle = 'ISO, YMD'; set intervalstyle = 'postgres'; set timezone = 'UTC'; set extra_float_digits = 3;
	set bytea_output = 'hex'; set client_encoding = 'UTF8'; set lc_monetary = 'C'`

// TestValuesAreThoseOfToJSONB asks the server what it makes of random values
// of every kind of type. The wire differs from to_jsonb in bytea only.
func TestValuesAreThoseOfToJSONB(t *testing.T) {
	db, ctx := devdb.Open(t), context.Background()
	db.Exec(customTypes)
	conn, err := pgx.Connect(ctx, db.DSN)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, outputSettings); err != nil {
		t.Fatalf("set output format: %v", err)
	}
	literals := literals()
	types := resolve(t, db, literals)
	rapid.Check(t, func(t *rapid.T) {
		batch := &pgx.Batch{}
		drawn := make([][]string, len(literals))
		for i, l := range literals {
			drawn[i] = rapid.SliceOfN(l.generator, 1, 5).Draw(t, l.typ)
			batch.Queue(fmt.Sprintf(`select format('%%s', v), to_jsonb(v)::text
				from unnest($1::text[]) as x(t), lateral (select x.t::%s as v offset 0) y`, l.typ), drawn[i])
		}
		answers := conn.SendBatch(ctx, batch)
		for i, l := range literals {
			rows, err := answers.Query()
			var text, want string
			n := 0
			if err == nil {
				_, err = pgx.ForEachRow(rows, []any{&text, &want}, func() error {
					compareJSON(t, l.typ, types[i], text, want)
					n++
					return nil
				})
			}
			if err != nil || n != len(drawn[i]) {
				_ = answers.Close()
				t.Fatalf("%s: %d of %d values (%q), error %v", l.typ, n, len(drawn[i]), drawn[i], err)
			}
		}
		if err := answers.Close(); err != nil {
			t.Fatalf("close batch: %v", err)
		}
	})
}

// resolve returns the types as the catalog has them.
func resolve(t *testing.T, db *devdb.DB, literals []literal) []*wal.Type {
	t.Helper()
	ctx := context.Background()
	types := make([]*wal.Type, len(literals))
	for i, l := range literals {
		var oid uint32
		if err := db.Pool.QueryRow(ctx, "select $1::regtype::oid", l.typ).Scan(&oid); err != nil {
			t.Fatalf("look up %s: %v", l.typ, err)
		}
		d, err := catalog.New(db.Pool, nil).Describe(ctx, 0, []uint32{oid})
		if err != nil || d.Types[oid] == nil {
			t.Fatalf("describe %s: %v, error %v", l.typ, d, err)
		}
		types[i] = d.Types[oid]
	}
	return types
}

func compareJSON(t *rapid.T, name string, typ *wal.Type, text, want string) {
	got := string(Encoding{}.AppendValue(nil, typ, text))
	if typ.Underlying().OID == 17 {
		want = strings.Replace(want, `\\x`, "", 1)
	}
	g, err1 := parseJSON(got)
	w, err2 := parseJSON(want)
	if err1 != nil || err2 != nil || !equalJSON(g, w) {
		t.Errorf("AppendValue(%s, %q) = %s, %v; want %s, %v", name, text, got, err1, want, err2)
	}
}

func parseJSON(text string) (v any, err error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, fmt.Errorf("more than one value in %q", text)
	}
	return v, nil
}

// equalJSON compares numbers by value: to_jsonb writes 1e+21 in full.
func equalJSON(a, b any) bool {
	switch a := a.(type) {
	case json.Number:
		b, ok := b.(json.Number)
		x, ok1 := new(big.Rat).SetString(a.String())
		y, ok2 := new(big.Rat).SetString(b.String())
		return ok && ok1 && ok2 && x.Cmp(y) == 0
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !equalJSON(a[i], b[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for k := range a {
			if other, ok := b[k]; !ok || !equalJSON(a[k], other) {
				return false
			}
		}
		return true
	}
	return a == b
}
