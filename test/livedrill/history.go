package livedrill

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"

	"walcast/replication/wal"
)

// truthSlot is the judge's: Postgres decodes for it what was committed, independently
// of walcast.
const truthSlot = "livedrill_truth"

// transaction is one that was committed, as Postgres' own decoding tells it.
type transaction struct {
	xid     uint32
	at      wal.LSN
	changes int      // that walcast's publication has, as positions count them
	again   []string // statements that do the same to the judge's tables
	rules   rules    // that it made; nil for none
	number  int      // of these
}

// readHistory returns everything that was committed since the slot was made, in order.
func readHistory(ctx context.Context, db *pgx.Conn) ([]*transaction, error) {
	rows, err := db.Query(ctx, `select data from pg_logical_slot_peek_binary_changes($1, null, null, 'proto_version', '1', 'publication_names', $2)`,
		truthSlot, everything)
	if err != nil {
		return nil, fmt.Errorf("decode what was committed: %w", err)
	}
	d := decoder{relations: map[uint32]*pglogrepl.RelationMessage{}}
	var message []byte
	if _, err := pgx.ForEachRow(rows, []any{&message}, func() error { return d.take(message) }); err != nil {
		return nil, fmt.Errorf("decode what was committed: %w", err)
	}
	slices.SortFunc(d.all, func(a, b *transaction) int { return wal.Position{LSN: a.at}.Compare(wal.Position{LSN: b.at}) })
	return d.all, nil
}

// decoder reads pgoutput.
type decoder struct {
	relations map[uint32]*pglogrepl.RelationMessage
	all       []*transaction
	rules     rules // the newest
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
		d.all = append(d.all, &transaction{xid: m.Xid, at: wal.LSN(m.FinalLSN)})
	case *pglogrepl.InsertMessage:
		return d.insert(d.relations[m.RelationID], m.Tuple)
	case *pglogrepl.UpdateMessage:
		d.update(d.relations[m.RelationID], m)
	case *pglogrepl.DeleteMessage:
		r := d.relations[m.RelationID]
		d.add(1, "delete from "+r.RelationName+" where "+d.where(r, m.OldTuple))
	case *pglogrepl.TruncateMessage:
		for _, id := range m.RelationIDs {
			d.add(1, "truncate "+d.relations[id].RelationName)
		}
	}
	return nil
}

func (d *decoder) last() *transaction { return d.all[len(d.all)-1] }

func (d *decoder) add(changes int, again ...string) {
	d.last().changes += changes
	d.last().again = append(d.last().again, again...)
}

func (d *decoder) insert(r *pglogrepl.RelationMessage, tuple *pglogrepl.TupleData) error {
	if r.RelationName == "journal" {
		return d.learn(tuple)
	}
	var names, values []string
	for i, c := range r.Columns {
		names, values = append(names, c.Name), append(values, literal(tuple.Columns[i]))
	}
	if r.RelationName != "members" {
		names, values = append(names, "walcast_xid"), append(values, strconv.FormatUint(uint64(d.last().xid), 10))
	}
	d.add(1, fmt.Sprintf("insert into %s (%s) values (%s)", r.RelationName, strings.Join(names, ", "), strings.Join(values, ", ")))
	return nil
}

func (d *decoder) update(r *pglogrepl.RelationMessage, m *pglogrepl.UpdateMessage) {
	old := m.OldTuple
	if old == nil {
		old = m.NewTuple
	}
	set := []string{fmt.Sprintf("walcast_xid = %d", d.last().xid)}
	if r.RelationName == "members" {
		set = nil
	}
	for i, c := range r.Columns {
		if m.NewTuple.Columns[i].DataType != pglogrepl.TupleDataTypeToast {
			set = append(set, c.Name+" = "+literal(m.NewTuple.Columns[i]))
		}
	}
	d.add(1, "update "+r.RelationName+" set "+strings.Join(set, ", ")+" where "+d.where(r, old))
}

// where finds a row by its key.
func (d *decoder) where(r *pglogrepl.RelationMessage, old *pglogrepl.TupleData) string {
	key := []string{"room", "who"}
	if r.RelationName != "members" {
		key = tableOf(r.RelationName).key
	}
	var all []string
	for i, c := range r.Columns {
		if contains(key, c.Name) {
			all = append(all, c.Name+" = "+literal(old.Columns[i]))
		}
	}
	return strings.Join(all, " and ")
}

// learn takes in rules that were made. Where they add the column extra, it gets its values in
// the judge's tables too. Where they drop it these stay, for whoever goes by the rules before.
func (d *decoder) learn(tuple *pglogrepl.TupleData) (err error) {
	t := d.last()
	if t.number, err = strconv.Atoi(string(tuple.Columns[0].Data)); err != nil {
		return err
	}
	if err = json.Unmarshal(tuple.Columns[1].Data, &t.rules); err != nil {
		return err
	}
	for _, of := range tables {
		if t.rules[of.name].HasExtra && !d.rules[of.name].HasExtra {
			d.add(0, "update "+of.name+" set extra = 7")
		}
	}
	d.rules = t.rules
	return nil
}

func literal(c *pglogrepl.TupleDataColumn) string {
	if c.DataType == pglogrepl.TupleDataTypeNull {
		return "null"
	}
	return "'" + strings.ReplaceAll(string(c.Data), "'", "''") + "'"
}
