package protocol

import (
	"strconv"
	"strings"
	"time"
)

// The texts in "errors" of a change (docs/protocol.md, "Errors in changes").
const (
	ErrorUnauthorized = "Error 401: Unauthorized"
	ErrorTooLarge     = "Error 413: Payload Too Large"
)

// ErrorNotUTF8 says that a column has bytes that are no UTF-8: U+FFFD stands for them.
func ErrorNotUTF8(column string) string {
	return "Error 422: column " + strings.ToValidUTF8(column, "\uFFFD") + " is not UTF-8"
}

// Data is the content of a row change's "data" object (docs/protocol.md, "Row
// changes"), with what walcast adds: the position, the transaction and what was left out.
type Data struct {
	Type, Schema, Table string
	Cause               string // what Postgres did, where a view sees it as something else; "" is absent
	CommitTimestamp     string // raw JSON as AppendTimestamp writes it; "" is null
	Columns             []byte // raw JSON array
	Record, OldRecord   []byte // raw JSON objects, nil when absent
	Errors              []string
	Origin
	Unchanged []string // columns whose value did not change and is not known
	Truncated []string // columns that were cut because the change is too large
}

// Origin is where in the WAL a change is.
type Origin struct {
	LSN string // commit LSN of the position
	Seq uint32 // index of the position
	XID uint32 // of the top-level transaction

	Snapshot bool // it is a row of a snapshot, which has no position and no transaction
}

// Append writes the object. Keys that stock clients do not know come last.
func (d Data) Append(dst []byte) []byte {
	dst = append(dst, `{"type":`...)
	dst = appendQuoted(dst, d.Type)
	dst = append(dst, `,"schema":`...)
	dst = appendQuoted(dst, d.Schema)
	dst = append(dst, `,"table":`...)
	dst = appendQuoted(dst, d.Table)
	dst = append(dst, `,"commit_timestamp":`...)
	dst = appendOr(dst, d.CommitTimestamp, "null")
	dst = append(dst, `,"columns":`...)
	dst = appendOr(dst, d.Columns, "[]")
	if d.Record != nil {
		dst = append(dst, `,"record":`...)
		dst = append(dst, d.Record...)
	}
	if d.OldRecord != nil {
		dst = append(dst, `,"old_record":`...)
		dst = append(dst, d.OldRecord...)
	}
	dst = append(dst, `,"errors":`...)
	dst = appendStrings(dst, d.Errors)
	dst = d.appendOrigin(dst)
	if d.Cause != "" {
		dst = append(dst, `,"cause":`...)
		dst = appendQuoted(dst, d.Cause)
	}
	if len(d.Unchanged) > 0 {
		dst = append(dst, `,"unchanged":`...)
		dst = appendStrings(dst, d.Unchanged)
	}
	if len(d.Truncated) > 0 {
		dst = append(dst, `,"truncated":`...)
		dst = appendStrings(dst, d.Truncated)
	}
	return append(dst, '}')
}

// appendOrigin writes where the data come from: a position, or a snapshot.
func (d Data) appendOrigin(dst []byte) []byte {
	if d.Snapshot {
		return append(dst, `,"snapshot":true`...)
	}
	dst = append(dst, `,"lsn":`...)
	dst = appendQuoted(dst, d.LSN)
	dst = append(dst, `,"seq":`...)
	dst = strconv.AppendUint(dst, uint64(d.Seq), 10)
	dst = append(dst, `,"xid":`...)
	return strconv.AppendUint(dst, uint64(d.XID), 10)
}

func appendOr[Bytes ~[]byte | ~string](dst []byte, raw Bytes, absent string) []byte {
	if len(raw) == 0 {
		return append(dst, absent...)
	}
	return append(dst, raw...)
}

// appendStrings writes an array, or null when there is nothing in it.
func appendStrings(dst []byte, list []string) []byte {
	if len(list) == 0 {
		return append(dst, "null"...)
	}
	dst = append(dst, '[')
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendQuoted(dst, s)
	}
	return append(dst, ']')
}

// AppendTimestamp writes a commit time as JSON: a string in UTC with exactly
// three fractional digits, cut to milliseconds; null for the zero time.
func AppendTimestamp(dst []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(dst, "null"...)
	}
	return t.UTC().AppendFormat(dst, `"2006-01-02T15:04:05.000Z"`)
}

// Changes builds postgres_changes: ids is the JSON array of binding ids, data
// what Data.Append made.
func (v Version) Changes(topic string, ids, data []byte) *Frame {
	return v.ChangesAt("", topic, ids, data)
}

// ChangesAt is Changes, after which an event stream goes on at the position.
func (v Version) ChangesAt(position, topic string, ids, data []byte) *Frame {
	e := envelope{version: v, topic: topic, event: EventPostgresChanges, position: position}
	e.open(len(`{"ids":,"data":}`) + len(ids) + len(data))
	e.buf = append(e.buf, `{"ids":`...)
	e.buf = append(e.buf, ids...)
	e.buf = append(e.buf, `,"data":`...)
	e.buf = append(e.buf, data...)
	e.buf = append(e.buf, '}')
	return e.seal()
}
