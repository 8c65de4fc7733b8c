package presence

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// ErrPayload means that a tracked payload is not a JSON object. Its text is
// the reason that clients get.
//
//lint:ignore ST1005 upstream writes it so
var ErrPayload = errors.New("Presence track payload must be a map")

// Meta is what one channel tracks under a key. It is immutable once made, and
// shared by the state, by diffs and by what travels to other nodes.
type Meta struct {
	Key string
	Ref string // unique for each track that was not a no-op
	// JSON is the object that clients get: phx_ref, phx_ref_prev if it replaced
	// another meta, then the tracked fields as they were spelled.
	JSON json.RawMessage

	fields uint32 // where the tracked fields begin in JSON
	client uint32 // names the client among those of the key, 0 if it is not known; in a cluster only
}

// Received is a meta that comes from another node, with what Fields and Client were
// there. It refers to json.
func Received(key, ref string, json json.RawMessage, fields, client uint32) (*Meta, error) {
	if ref == "" || int64(fields) >= int64(len(json)) || !jsontext.Value(json).IsValid() || json[0] != '{' || json[len(json)-1] != '}' {
		return nil, errors.New("a meta that is damaged")
	}
	return &Meta{Key: key, Ref: ref, JSON: json, fields: fields, client: client}, nil
}

// Fields is where the tracked fields begin in JSON.
func (m *Meta) Fields() uint32 { return m.fields }

// Client names the client that tracks the meta among those of its key, 0 if it is not
// known.
func (m *Meta) Client() uint32 { return m.client }

// payload is what was tracked, without fields that pretended to be refs.
func (m *Meta) payload() json.RawMessage {
	return append([]byte{'{'}, bytes.TrimPrefix(m.JSON[m.fields:], []byte{','})...)
}

// newMeta joins refs and the payload's fields. The fields keep their order and
// spelling; a field that pretends to be phx_ref or phx_ref_prev is left out,
// since clients tell metas apart by it.
func newMeta(key string, payload []byte, ref, prev string) (*Meta, error) {
	out := make([]byte, 0, len(payload)+len(ref)+len(prev)+len(`{"phx_ref":"","phx_ref_prev":"",`))
	out = append(out, `{"phx_ref":`...)
	out = appendQuoted(out, ref)
	if prev != "" {
		out = append(out, `,"phx_ref_prev":`...)
		out = appendQuoted(out, prev)
	}
	fields := uint32(len(out))
	out, err := appendFields(out, payload)
	if err != nil {
		return nil, err
	}
	return &Meta{Key: key, Ref: ref, JSON: append(out, '}'), fields: fields}, nil
}

// appendFields writes `,"name":value` for each field of a JSON object. An
// absent payload is an object without fields.
func appendFields(out, payload []byte) ([]byte, error) {
	if len(payload) == 0 {
		return out, nil
	}
	if !utf8.Valid(payload) {
		return nil, ErrPayload // browsers close a socket that sends such text
	}
	// The last of two equal names wins at the client, as with upstream.
	// Half a surrogate pair, escaped ("\ud83d"), passes as it came.
	d := jsontext.NewDecoder(bytes.NewBuffer(payload), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if open, err := d.ReadToken(); err != nil || open.Kind() != '{' {
		return nil, ErrPayload
	}
	for d.PeekKind() == '"' {
		start := d.InputOffset()
		name, err := d.ReadValue()
		if err != nil {
			return nil, ErrPayload
		}
		ours := reserved(name)
		if err := d.SkipValue(); err != nil {
			return nil, ErrPayload
		}
		if !ours {
			out = append(out, ',')
			out = append(out, bytes.TrimLeft(payload[start:d.InputOffset()], " \t\r\n,")...)
		}
	}
	if end, err := d.ReadToken(); err != nil || end.Kind() != '}' {
		return nil, ErrPayload
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, ErrPayload
	}
	return out, nil
}

// reserved says whether a quoted field name is one of ours, however escaped.
func reserved(name jsontext.Value) bool {
	if bytes.IndexByte(name, '\\') >= 0 {
		plain, err := jsontext.AppendUnquote(nil, name)
		return err == nil && (string(plain) == "phx_ref" || string(plain) == "phx_ref_prev")
	}
	return string(name) == `"phx_ref"` || string(name) == `"phx_ref_prev"`
}

// tracks says whether both metas carry the same payload; like upstream it
// ignores the order of fields.
func (m *Meta) tracks(other *Meta) bool {
	return bytes.Equal(m.JSON[m.fields:], other.JSON[other.fields:]) || bytes.Equal(canonical(m.payload()), canonical(other.payload()))
}

// canonical sorts the fields of an object, and drops white space. Numbers stay as
// spelled.
func canonical(object json.RawMessage) []byte {
	value := jsontext.Value(object)
	if err := value.Format(jsontext.ReorderRawObjects(true), jsontext.Multiline(false)); err != nil {
		return object // equal names in it: their order matters
	}
	return value
}

// appendQuoted writes a JSON string; bytes that are no UTF-8 become U+FFFD.
func appendQuoted(out []byte, s string) []byte {
	out, _ = jsontext.AppendQuote(out, s) // its error only reports the replacement
	return out
}
