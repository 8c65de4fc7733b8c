package livedrill

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"walcast/replication/wal"
)

// model is the rows of one view, as its client keeps them by what it is told: a snapshot
// replaces them, changes are applied at the end of their transaction.
type model struct {
	of   interest
	key  []string
	rows map[string]string // records by key, as of the last end of a transaction; nil before the first snapshot
	seen wal.Snapshot      // the snapshot that replaced them last

	next  map[string]string // of the snapshot that is being sent; nil without one
	open  []rowChange       // of the transaction that is being sent
	begun uint32            // that transaction
}

// rowChange is the data of a row change.
type rowChange struct {
	Type, Cause string
	XID         uint32
	Snapshot    bool
	Record      json.RawMessage
	Old         json.RawMessage `json:"old_record"`
	Errors      []string
	Unchanged   []string
}

// tornError says that a client was shown a part of a transaction.
type tornError struct{ text string }

func (e *tornError) Error() string { return e.text }

// begin takes the beginning of a snapshot.
func (m *model) begin(key []string) { m.key, m.next, m.open = key, map[string]string{}, nil }

// end takes the end of a snapshot.
func (m *model) end(seen wal.Snapshot) error {
	if m.next == nil {
		return fmt.Errorf("a snapshot of %s ends that has not begun", m.of.Table)
	}
	m.rows, m.next, m.seen = m.next, nil, seen
	return nil
}

// cut forgets what has come of what has not ended, as the connection has.
func (m *model) cut() { m.next, m.open = nil, nil }

// take takes a row of a snapshot or a change.
func (m *model) take(c rowChange) error {
	switch {
	case len(c.Errors) > 0:
		return fmt.Errorf("a change of %s came with errors %q", m.of.Table, c.Errors)
	case c.Snapshot && m.next == nil, !c.Snapshot && (m.next != nil || m.rows == nil):
		return fmt.Errorf("%s of %s came within a snapshot, or a row of one outside (snapshot %t)", c.Type, m.of.Table, c.Snapshot)
	case c.Snapshot:
		record, err := decode(c.Record)
		m.next[m.keyOf(record)] = canonical(record)
		return err
	case len(m.open) > 0 && m.begun != c.XID:
		return &tornError{fmt.Sprintf("a change of transaction %d came before transaction %d had ended", c.XID, m.begun)}
	}
	m.begun, m.open = c.XID, append(m.open, c)
	return nil
}

// commit takes the end of a transaction.
func (m *model) commit(xid uint32) error {
	if len(m.open) > 0 && xid != m.begun {
		return &tornError{fmt.Sprintf("transaction %d ended before transaction %d, of which changes had come", xid, m.begun)}
	}
	if len(m.open) > 0 {
		m.rows = maps.Clone(m.rows) // what was noted stays as it is
	}
	for _, c := range m.open {
		if err := m.apply(c); err != nil {
			return err
		}
	}
	m.open = nil
	return nil
}

// apply applies one change.
func (m *model) apply(c rowChange) error {
	record, err := decode(c.Record)
	if err != nil {
		return err
	}
	old, err := decode(c.Old)
	if err != nil {
		return err
	}
	if c.Type != "INSERT" {
		before, err := decode([]byte(m.rows[m.keyOf(old)]))
		if err != nil {
			return err
		}
		for _, name := range c.Unchanged {
			if value, has := before[name]; has {
				record[name] = value
			}
		}
		delete(m.rows, m.keyOf(old))
	}
	if c.Type != "DELETE" {
		m.rows[m.keyOf(record)] = canonical(record)
	}
	return nil
}

func (m *model) keyOf(record map[string]json.RawMessage) string { return keyOf(m.key, record) }

func keyOf(columns []string, record map[string]json.RawMessage) string {
	var parts []string
	for _, name := range columns {
		parts = append(parts, string(record[name]))
	}
	return strings.Join(parts, ",")
}

// decode reads a JSON object; nothing is an empty one.
func decode(text []byte) (record map[string]json.RawMessage, err error) {
	if len(text) == 0 || string(text) == "null" {
		return map[string]json.RawMessage{}, nil
	}
	if err = json.Unmarshal(text, &record); err != nil {
		return nil, fmt.Errorf("read %s: %w", text, err)
	}
	return record, nil
}

// canonical is a text that is equal for records that mean the same. The values are numbers,
// texts and null.
func canonical(record map[string]json.RawMessage) string {
	values := make(map[string]any, len(record))
	for name, raw := range record {
		var value any
		if err := json.Unmarshal(raw, &value); err != nil {
			return "not JSON: " + string(raw)
		}
		values[name] = value
	}
	text, err := json.Marshal(values)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
