package drill

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"

	"walcast/replication/wal"
)

// truthSlot is ours: Postgres decodes for it what was committed, independently
// of walcast.
const truthSlot = "drill_truth"

// readTruth returns everything that was committed since the slot was made, in
// order, and checks it against the tables.
func readTruth(ctx context.Context, db *pgx.Conn) ([]written, error) {
	rows, err := db.Query(ctx, `select data from pg_logical_slot_peek_binary_changes($1, null, null, 'proto_version', '1', 'publication_names', $2)`,
		truthSlot, publication)
	if err != nil {
		return nil, fmt.Errorf("decode what was committed: %w", err)
	}
	d := decoder{relations: map[uint32]*pglogrepl.RelationMessage{}}
	var message []byte
	if _, err := pgx.ForEachRow(rows, []any{&message}, func() error { return d.take(message) }); err != nil {
		return nil, fmt.Errorf("decode what was committed: %w", err)
	}
	slices.SortFunc(d.rows, func(a, b written) int { return a.At.Compare(b.At) })
	if !slices.ContainsFunc(d.rows, func(w written) bool { return w.Writer != 0 }) {
		return nil, errors.New("the writers have committed nothing")
	}
	return d.rows, d.check(ctx, db)
}

// decoder reads pgoutput.
type decoder struct {
	relations map[uint32]*pglogrepl.RelationMessage
	at        wal.Position
	rows      []written
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
		d.at = wal.Position{LSN: wal.LSN(m.FinalLSN)}
	case *pglogrepl.InsertMessage:
		return d.write(m.RelationID, m.Tuple)
	case *pglogrepl.UpdateMessage:
		return d.write(m.RelationID, m.NewTuple)
	}
	return nil
}

func (d *decoder) write(relation uint32, tuple *pglogrepl.TupleData) error {
	r := d.relations[relation]
	w := written{Table: r.RelationName, At: d.at}
	d.at.Seq++
	for i, column := range r.Columns {
		var into *int
		switch column.Name {
		case "writer":
			into = &w.Writer
		case "number":
			into = &w.Number
		case "shard":
			into = &w.Shard
		default:
			continue
		}
		n, err := strconv.Atoi(string(tuple.Columns[i].Data))
		if err != nil {
			return fmt.Errorf("%s.%s: %w", w.Table, column.Name, err)
		}
		*into = n
	}
	d.rows = append(d.rows, w)
	return nil
}

// check compares with the tables: each of their rows was written, and each id's
// newest version is there.
func (d *decoder) check(ctx context.Context, db *pgx.Conn) error {
	known := make(map[row]bool, len(d.rows))
	for _, w := range d.rows {
		if known[w.row] {
			return fmt.Errorf("row %s was written twice: the drill is broken", w.row)
		}
		known[w.row] = true
	}
	for _, table := range tables {
		rows, err := db.Query(ctx, `select writer, number from `+table)
		if err != nil {
			return fmt.Errorf("read %s: %w", table, err)
		}
		var r row
		if _, err := pgx.ForEachRow(rows, []any{&r.Writer, &r.Number}, func() error {
			if !known[r] {
				return fmt.Errorf("row %s is there and was not decoded", r)
			}
			return nil
		}); err != nil {
			return fmt.Errorf("read %s: %w", table, err)
		}
	}
	return nil
}
