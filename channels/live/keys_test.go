package live

import (
	"testing"

	"walcast/replication/wal"
)

func row(values ...string) (r wal.Row) {
	for _, v := range values {
		r = append(r, wal.Value{Kind: wal.Text, Text: v})
	}
	return r
}

func TestRowsHaveOneKeyIfTheirKeyColumnsAreEqual(t *testing.T) {
	keys := NewKeys(10)
	of := func(r wal.Row, columns ...int) Key {
		t.Helper()
		key, ok := keys.Of(r, columns)
		if !ok {
			t.Errorf("no key of %v by columns %v", r, columns)
		}
		return key
	}
	if of(row("1", "a"), 0) != of(row("1", "b"), 0) {
		t.Error("two versions of a row have two keys")
	}
	for _, other := range []wal.Row{row("12", ""), row("", "12"), row("2", "1"), row("1", "2 ")} {
		if of(row("1", "2"), 0, 1) == of(other, 0, 1) {
			t.Errorf("(1, 2) and %v have one key", other)
		}
	}
	for name, r := range map[string]wal.Row{"absent": {{}}, "null": {{Kind: wal.Null}}, "short": nil} {
		if _, ok := keys.Of(r, []int{0}); ok {
			t.Errorf("a row whose key is %s has a key", name)
		}
	}
	if _, ok := keys.Of(row("1"), nil); ok {
		t.Error("a row of a table without a key has one")
	}
	if other := NewKeys(10); func() Key { k, _ := other.Of(row("1"), []int{0}); return k }() == of(row("1"), 0) {
		t.Error("two servers have the same keys: who knows them can look for two rows with one key")
	}
}
