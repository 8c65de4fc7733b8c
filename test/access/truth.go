package access

import (
	"context"
	"fmt"
	"strconv"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"

	"walcast/replication/wal"
)

// truthSlot is ours: Postgres decodes for it what was committed, independently
// of walcast.
const truthSlot = "access_truth"

// truth is what was committed.
type truth struct {
	at       map[wal.Position]*written
	changes  []*written // in the order of their positions
	versions []*version
}

// readTruth decodes everything that was committed since the slot was made, and
// notes in the history where its changes stand.
func readTruth(ctx context.Context, db *pgx.Conn, w *world, l *ledger, h history) (*truth, error) {
	rows, err := db.Query(ctx, `select data from pg_logical_slot_peek_binary_changes($1, null, null, 'proto_version', '1', 'publication_names', $2)`,
		truthSlot, byName+","+byRoot+","+byHarness)
	if err != nil {
		return nil, fmt.Errorf("decode what was committed: %w", err)
	}
	d := decoder{
		relations: map[uint32]*pglogrepl.RelationMessage{}, ledger: l, history: h, tables: map[string]*table{},
		newest: map[rowKey]*version{}, truth: &truth{at: map[wal.Position]*written{}},
	}
	for _, t := range w.tables {
		d.tables[t.String()] = t
	}
	var message []byte
	if _, err := pgx.ForEachRow(rows, []any{&message}, func() error { return d.take(message) }); err != nil {
		return nil, fmt.Errorf("decode what was committed: %w", err)
	}
	for _, v := range d.truth.versions {
		v.era = h.era(v.at.LSN)
	}
	return d.truth, nil
}

// rowKey names a row of a table.
type rowKey struct{ table, id int }

// decoder reads pgoutput.
type decoder struct {
	relations map[uint32]*pglogrepl.RelationMessage
	tables    map[string]*table
	ledger    *ledger
	history   history
	newest    map[rowKey]*version
	at        wal.Position
	made      *commit
	truth     *truth
}

func (d *decoder) take(message []byte) error {
	m, err := pglogrepl.Parse(message)
	if err != nil {
		return err
	}
	switch m := m.(type) {
	case *pglogrepl.RelationMessage:
		d.relations[m.RelationID] = m
	case *pglogrepl.BeginMessage:
		d.at, d.made = wal.Position{LSN: wal.LSN(m.FinalLSN)}, d.ledger.commits[m.Xid]
		if d.made != nil {
			d.made.At = d.at.LSN
		}
	case *pglogrepl.InsertMessage:
		return d.write("INSERT", m.RelationID, m.Tuple)
	case *pglogrepl.UpdateMessage:
		return d.write("UPDATE", m.RelationID, m.NewTuple)
	case *pglogrepl.DeleteMessage:
		return d.write("DELETE", m.RelationID, m.OldTuple)
	}
	return nil
}

// read returns the values of a tuple, and which of its columns are not in it.
func read(r *pglogrepl.RelationMessage, tuple *pglogrepl.TupleData) (values map[string]*string, unchanged []string) {
	values = map[string]*string{}
	for i, c := range tuple.Columns {
		switch name := r.Columns[i].Name; c.DataType {
		case 'u':
			unchanged = append(unchanged, name)
		case 'n':
			values[name] = nil
		default:
			text := string(c.Data)
			values[name] = &text
		}
	}
	return values, unchanged
}

// write notes a change of a row.
func (d *decoder) write(kind string, relation uint32, tuple *pglogrepl.TupleData) error {
	r := d.relations[relation]
	values, unchanged := read(r, tuple)
	if r.RelationName == "journal" {
		k, err := strconv.Atoi(*values["k"])
		if err != nil {
			return err
		}
		d.history[k].LSN = d.at.LSN
		return nil // in no publication of walcast's, so it has no position
	}
	at := d.at
	d.at.Seq++
	t := d.tables[r.Namespace+"."+r.RelationName]
	if t == nil {
		return nil // the members, the pulse
	}
	if d.made == nil {
		return fmt.Errorf("a row of %s at %s is nobody's", t, at)
	}
	id, err := strconv.Atoi(*values["id"])
	if err != nil {
		return err
	}
	w := &written{kind: kind, table: t.index, at: at, made: d.made}
	key := rowKey{t.index, id}
	if kind != "INSERT" {
		w.old = d.newest[key]
		if w.old == nil {
			return fmt.Errorf("%s of row %d of %s at %s, which was not written", kind, id, t, at)
		}
		w.old.ended, w.old.next = d.made, w
		delete(d.newest, key)
	}
	if kind != "DELETE" {
		for _, name := range unchanged {
			values[name] = w.old.values[name]
		}
		if w.row, err = newVersion(t, id, values, at, d.made); err != nil {
			return err
		}
		w.row.lacks = unchanged
		d.newest[key] = w.row
		d.truth.versions = append(d.truth.versions, w.row)
	}
	d.truth.at[at] = w
	d.truth.changes = append(d.truth.changes, w)
	return nil
}

func newVersion(t *table, id int, values map[string]*string, at wal.Position, made *commit) (*version, error) {
	number, err := strconv.ParseInt(*values["ver"], 10, 64)
	if err != nil {
		return nil, err
	}
	return &version{number: number, table: t.index, id: id, values: values, at: at, made: made}, nil
}
