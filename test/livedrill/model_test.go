package livedrill

import (
	"encoding/json"
	"errors"
	"maps"
	"testing"

	"walcast/replication/wal"
)

func newModel(t *testing.T) *model {
	t.Helper()
	m := &model{of: interest{Table: "notes"}}
	m.begin([]string{"id"})
	for _, text := range []string{`{"id":1,"note":"long"}`, `{"id":2,"note":null}`} {
		if err := m.take(rowChange{Type: "INSERT", Snapshot: true, Record: json.RawMessage(text)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.end(wal.Snapshot{}); err != nil {
		t.Fatal(err)
	}
	return m
}

func update(xid uint32, old, record string, unchanged ...string) rowChange {
	return rowChange{Type: "UPDATE", XID: xid, Old: json.RawMessage(old), Record: json.RawMessage(record), Unchanged: unchanged}
}

func TestAModelChangesAtTheEndOfTransactions(t *testing.T) {
	m := newModel(t)
	before := m.rows
	for _, c := range []rowChange{update(5, `{"id":1}`, `{"id":3}`, "note"), {Type: "DELETE", XID: 5, Old: json.RawMessage(`{"id":2}`)}} {
		if err := m.take(c); err != nil {
			t.Fatal(err)
		}
	}
	if !maps.Equal(m.rows, map[string]string{"1": `{"id":1,"note":"long"}`, "2": `{"id":2,"note":null}`}) {
		t.Errorf("before the end of a transaction the model has %q", m.rows)
	}
	if err := m.commit(5); err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(m.rows, map[string]string{"3": `{"id":3,"note":"long"}`}) || len(before) != 2 {
		t.Errorf("after the end of a transaction the model has %q, and had %q", m.rows, before)
	}
}

func TestAPartOfATransactionIsFound(t *testing.T) {
	var part *tornError
	for name, tell := range map[string]func(m *model) error{
		"another begins": func(m *model) error { return m.take(update(6, `{"id":2}`, `{"id":2}`)) },
		"another ends":   func(m *model) error { return m.commit(6) },
	} {
		m := newModel(t)
		if err := m.take(update(5, `{"id":1}`, `{"id":1}`)); err != nil {
			t.Fatal(err)
		}
		if err := tell(m); !errors.As(err, &part) {
			t.Errorf("%s before a transaction has ended: %v; want a tornError", name, err)
		}
	}
}

func TestRowsOfASnapshotComeWithinIt(t *testing.T) {
	m := newModel(t)
	if m.take(rowChange{Type: "INSERT", Snapshot: true}) == nil {
		t.Error("a row of a snapshot is taken outside of one")
	}
	m.begin([]string{"id"})
	if m.take(update(5, `{"id":1}`, `{"id":1}`)) == nil {
		t.Error("a change is taken within a snapshot")
	}
	if m.cut(); len(m.rows) != 2 {
		t.Errorf("after half a snapshot the model has %q; want what it had", m.rows)
	}
}
