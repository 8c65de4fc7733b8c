package fanout

import (
	"unicode/utf8"

	"walcast/protocol"
	"walcast/replication/wal"
)

// longValue is the size up to which values stay in a payload that is cut.
const longValue = 64

// appendData writes the data object of a change.
func appendData(dst []byte, c *wal.Change, key dataKey, limit int) []byte {
	if key.whole != nil {
		c = key.whole
	}
	rel := c.Relation
	data := protocol.Data{
		Type: key.as.String(), Schema: rel.Schema, Table: rel.Table,
		Origin: protocol.Origin{LSN: c.Position.LSN.String(), Seq: c.Position.Seq, XID: c.XID, Snapshot: key.snapshot},
	}
	if key.as != c.Operation {
		data.Cause = c.Operation.String()
	}
	if key.columns.denied && c.Operation != wal.Delete {
		return appendDenied(dst, c, data)
	}
	data.CommitTimestamp = string(protocol.AppendTimestamp(nil, c.CommitTime))
	data.Columns = key.columns.columns
	mask, old := key.columns.mask, key.columns.mask
	if !key.fullOld {
		old = key.columns.key
	}
	if key.keyOnly {
		data.Errors = notUTF8(c, make([]bool, len(rel.Columns)), key.columns.key)
		data.OldRecord = key.columns.encoding.AppendRecord(nil, rel, c.Old, key.columns.key)
		return data.Append(dst)
	}
	if c.Cut || size(c.New)+size(c.Old) > limit {
		data.Errors = []string{protocol.ErrorTooLarge}
		data.Truncated = cutNames(c, mask)
		mask, old = cut(rel, c.New, mask), cut(rel, c.Old, old)
	}
	data.Errors = append(data.Errors, notUTF8(c, mask, old)...)
	if key.as == wal.Insert || key.as == wal.Update {
		data.Record = key.columns.encoding.AppendRecord(nil, rel, c.New, mask)
		if !c.Cut {
			data.Unchanged = absent(rel, c.New, mask)
		}
	}
	if key.as == wal.Update || key.as == wal.Delete {
		data.OldRecord = key.columns.encoding.AppendRecord(nil, rel, c.Old, old)
	}
	return data.Append(dst)
}

// notUTF8 names the shown columns that hold bytes that are no UTF-8.
func notUTF8(c *wal.Change, mask, old []bool) (errors []string) {
	bad := func(row wal.Row, i int, shown []bool) bool {
		return i < len(row) && (shown == nil || shown[i]) && !utf8.ValidString(row[i].Text)
	}
	for i := range c.Relation.Columns {
		if bad(c.New, i, mask) || bad(c.Old, i, old) {
			errors = append(errors, protocol.ErrorNotUTF8(c.Relation.Columns[i].Name))
		}
	}
	return errors
}

// appendDenied writes the data object for a role that may not see the key: that
// something happened, and why it is not shown.
func appendDenied(dst []byte, c *wal.Change, data protocol.Data) []byte {
	data.Errors = []string{protocol.ErrorUnauthorized}
	data.Columns = []byte("[]")
	data.Record = protocol.EmptyObject
	if c.Operation == wal.Update {
		data.OldRecord = protocol.EmptyObject
	}
	return data.Append(dst)
}

func size(row wal.Row) (n int) {
	for i := range row {
		n += len(row[i].Text)
	}
	return n
}

// cut takes the columns with long values out of a mask. Columns of the key
// stay.
func cut(rel *wal.Relation, row wal.Row, mask []bool) []bool {
	short := make([]bool, len(mask))
	for i := range mask {
		short[i] = mask[i] && !isLong(rel, row, i)
	}
	return short
}

func isLong(rel *wal.Relation, row wal.Row, i int) bool {
	return i < len(row) && len(row[i].Text) > longValue && !rel.Columns[i].Key
}

// cutNames lists the shown columns that cut takes out for either row, and those
// that the decoder has left out already.
func cutNames(c *wal.Change, mask []bool) (names []string) {
	for i, shown := range mask {
		long := isLong(c.Relation, c.New, i) || isLong(c.Relation, c.Old, i)
		if shown && (long || c.Cut && isAbsent(c.New, i)) {
			names = append(names, c.Relation.Columns[i].Name)
		}
	}
	return names
}

func isAbsent(row wal.Row, i int) bool {
	return i < len(row) && row[i].Kind == wal.Absent
}

// absent lists the shown columns of an UPDATE whose value did not change and is
// not in the WAL (TOAST).
func absent(rel *wal.Relation, row wal.Row, mask []bool) (names []string) {
	for i := range row {
		if mask[i] && row[i].Kind == wal.Absent {
			names = append(names, rel.Columns[i].Name)
		}
	}
	return names
}
