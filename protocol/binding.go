package protocol

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// Binding is one postgres_changes entry of a join.
type Binding struct {
	Raw    json.RawMessage // the client's object, verbatim
	ID     int64           // derived from the content, 1 .. 2^31-1, distinct within the join
	Event  string          // INSERT, UPDATE, DELETE, TRUNCATE, "*"; as given when invalid
	Schema string          // "*" for all; "public" when only a table is given
	Table  string          // "*" for all
	Filter string          // blank for none
	Select []string        // sorted, each once; nil when absent

	Resume       *Resume // option "resume", nil when absent
	Page         *Page   // of a snapshot; nil when both of its options are absent
	Int8AsString bool    // option "int8": "string": int8 and numeric are sent as strings
	Live                 // beside the flag before, as a channel may have thousands of bindings

	// Err is upstream's text when the parameters cannot be served.
	Err string
}

// Resume is where a binding goes on, as the client gave it; what is absent is "". A
// client that has the option, be it null, is told a history beside a position.
type Resume struct {
	From    string // a position
	History string // what the client was given beside it
}

// Live is what a binding asks for so that its client can keep a table.
type Live struct {
	Transactions bool // option "transactions": its channel is told of the end of each transaction
	Snapshot     bool // option "snapshot": the rows that match now come first
	View         bool // option "view": rows enter and leave what the binding has; it begins with a snapshot
}

// Page is the options "order" and "limit" of a snapshot, as given; "" when absent.
type Page struct{ Order, Limit string }

// WantsSnapshot reports whether the rows that match now come before the changes.
func (l Live) WantsSnapshot() bool { return l.Snapshot || l.View }

const wildcard = "*"

// maxBindings bounds what one join can make the server hold; a join with more is
// refused with RefuseTooManyBindings, which names the number.
const maxBindings = 10_000

// optionResume is the one key of a binding that does not say what it selects.
const optionResume = "resume"

// The texts of bindings that cannot be served (docs/protocol.md, "Texts of
// errors").
const (
	errorSelectString   = "Error parsing `select` params: expected a list of column name strings, e.g. select: [\"col1\", \"col2\"]"
	errorSelectWildcard = "Column selection is not supported for wildcard subscriptions. Provide an explicit schema and table name."
	errorNoParams       = "No subscription params provided. Please provide at least a `schema` or `table` to subscribe to: "
	errorEvent          = "Error parsing `event` params: expected *, INSERT, UPDATE, DELETE or TRUNCATE, got: "
)

// bind reads "postgres_changes": null entries do not count, anything else but
// an object refuses the join.
func (j *Join) bind(changes value) error {
	if !changes.isNull() && changes.kind() != '[' {
		j.warn("config.postgres_changes", "an array of maps", "there are no bindings")
		return nil
	}
	ids := newBindingIDs()
	for v := range changes.elements() {
		if v.isNull() {
			continue
		}
		if v.kind() != '{' {
			return notBinding(v)
		}
		if len(j.Bindings) == maxBindings {
			return RefuseTooManyBindings
		}
		b := j.parseBinding(v)
		b.ID = ids.next(v)
		if n := len(j.Bindings); n > 0 {
			b.share(&j.Bindings[n-1])
		}
		j.Bindings = append(j.Bindings, b)
	}
	j.Bindings = exact(j.Bindings)
	return nil
}

// exact copies bindings that have much room left, as a channel holds them for
// long.
func exact(bindings []Binding) []Binding {
	if cap(bindings)-len(bindings) <= len(bindings)/16 {
		return bindings
	}
	return append(make([]Binding, 0, len(bindings)), bindings...)
}

// share stores names once that are equal: most bindings of a join are of one
// table.
func (b *Binding) share(other *Binding) {
	if b.Schema == other.Schema {
		b.Schema = other.Schema
	}
	if b.Table == other.Table {
		b.Table = other.Table
	}
}

// notBinding is upstream's text, line breaks and all.
func notBinding(v value) Refusal {
	return Refusal{codeUnknownError, "expected a map, got:\n\n    " + v.inspect() + "\n"}
}

// parameters are the raw values of a binding that have a meaning. A nil value
// is an absent key, which is not the same as null.
type parameters struct {
	event, schema, table, filter, columns value
	redacted                              bool // holds a token, which no text may repeat
}

func (j *Join) parseBinding(raw value) Binding {
	b := Binding{Raw: json.RawMessage(raw)}
	var p parameters
	for name, v := range raw.pairs() {
		switch string(name) {
		case "event":
			p.event = v
		case "schema":
			p.schema = v
		case "table":
			p.table = v
		case "filter":
			p.filter = v
		case "select":
			p.columns = v
		case "user_token", "auth_token":
			p.redacted = true
		case "int8":
			b.Int8AsString = j.int8AsString(v)
		case optionResume:
			b.Resume = j.resume(v)
		case "transactions":
			b.Transactions = j.flag("postgres_changes.transactions", v, false)
		case "snapshot":
			b.Snapshot = j.flag("postgres_changes.snapshot", v, false)
		case "view":
			b.View = j.flag("postgres_changes.view", v, false)
		case "order":
			b.page().Order = v.written()
		case "limit":
			b.page().Limit = v.written()
		}
	}
	b.take(p, raw)
	return b
}

// take reads the parameters. The first thing that is wrong is the error.
func (b *Binding) take(p parameters, raw value) {
	b.Event = b.readEvent(p.event)
	if !b.readTable(p) {
		b.Err = errorNoParams + "<redacted>"
		if !p.redacted {
			b.Err = errorNoParams + raw.inspect()
		}
		return
	}
	b.readSelect(p.columns)
	b.checkNames()
	if b.Err == "" && b.Event != changeAny && !isChange(b.Event) {
		b.Err = errorEvent + p.event.inspect()
	}
}

// readEvent reads a name in any case; absent and null are "*".
func (b *Binding) readEvent(event value) string {
	if event.isNull() {
		return changeAny
	}
	name, ok := event.text()
	if !ok {
		return string(event)
	}
	if upper := strings.ToUpper(name); isChange(upper) {
		return upper
	}
	return name
}

func isChange(event string) bool {
	return event == changeInsert || event == changeUpdate || event == changeDelete || event == changeTruncate
}

// readTable reads schema, table and filter, and says whether they are one of
// the combinations of docs/protocol.md, "Bindings": each must be a string if its
// key is there at all.
func (b *Binding) readTable(p parameters) bool {
	schema, hasSchema := p.schema.text()
	table, hasTable := p.table.text()
	filter, hasFilter := p.filter.text()
	if hasSchema != (p.schema != nil) || hasTable != (p.table != nil) || hasFilter != (p.filter != nil) {
		return false
	}
	switch {
	case hasSchema && hasTable:
	case hasSchema && !hasFilter:
		table = wildcard
	case hasTable && !hasFilter:
		schema = "public"
	default:
		return false
	}
	b.Schema, b.Table, b.Filter = schema, table, filter
	return true
}

// readSelect reads the list of columns; what is not a string does not count.
func (b *Binding) readSelect(columns value) {
	if columns.kind() == '"' {
		b.Err = errorSelectString
		return
	}
	for v := range columns.elements() {
		if name, ok := v.text(); ok {
			b.Select = append(b.Select, name)
		}
	}
	if b.Select == nil {
		return
	}
	slices.Sort(b.Select)
	b.Select = slices.Compact(b.Select)
	if b.Schema == wildcard || b.Table == wildcard {
		b.Err = errorSelectWildcard
	}
}

// checkNames refuses what is no name, so that nobody asks Postgres about it.
func (b *Binding) checkNames() {
	switch {
	case b.Err != "":
	case !IsName(b.Schema):
		b.Err = errorName("schema")
	case !IsName(b.Table):
		b.Err = errorName("table")
	case slices.ContainsFunc(b.Select, func(name string) bool { return !IsName(name) }):
		b.Err = errorName("select")
	}
}

// page is the Page, which few bindings have.
func (b *Binding) page() *Page {
	if b.Page == nil {
		b.Page = &Page{}
	}
	return b.Page
}

// Sorted is the Page, the zero Page for none.
func (b *Binding) Sorted() Page {
	if b.Page == nil {
		return Page{}
	}
	return *b.Page
}

// written is a string, or what else a value is in JSON; "" for null.
func (v value) written() string {
	if v.isNull() {
		return ""
	}
	if s, ok := v.text(); ok {
		return s
	}
	return string(v)
}

func (j *Join) int8AsString(v value) bool {
	switch s, _ := v.text(); {
	case s == "string":
		return true
	case s == "number", v.isNull():
	default:
		j.warn("postgres_changes.int8", `"string" or "number"`, "numbers are used")
	}
	return false
}

func (j *Join) resume(v value) *Resume {
	var r Resume
	if v.isNull() {
		return &r
	}
	var from, history value
	for name, m := range v.pairs() {
		switch string(name) {
		case "from":
			from = m
		case "history":
			history = m
		}
	}
	var ok bool
	if r.From, ok = from.text(); !ok && !(v.kind() == '{' && from.isNull()) {
		j.warn("postgres_changes.resume", `{"from": "<position>"}`, "changes are live from now")
	}
	if r.History, ok = history.text(); !ok && !history.isNull() {
		j.warn("postgres_changes.resume.history", "a string", "the position is taken for one of this server")
	}
	return &r
}

// legacyBinding is the binding of a join without config: the sub-topic names
// schema, table and filter.
func legacyBinding(subTopic string) Binding {
	raw := []byte{'{'}
	b := Binding{Event: changeAny, Table: wildcard}
	parts := strings.SplitN(subTopic, ":", 3)
	for i, to := range []*string{&b.Schema, &b.Table, &b.Filter}[:len(parts)] {
		*to = parts[i]
		if i > 0 {
			raw = append(raw, ',')
		}
		raw = appendQuoted(raw, [...]string{"schema", "table", "filter"}[i])
		raw = append(raw, ':')
		raw = appendQuoted(raw, parts[i])
	}
	b.Raw = append(raw, '}')
	b.ID = newBindingIDs().next(value(b.Raw))
	return b
}

// appendEcho writes the client's object with the id. If it has an id already,
// ours comes later, which is the one that JSON.parse keeps.
func (b *Binding) appendEcho(dst []byte) []byte {
	end := len(b.Raw) - 1
	dst = append(dst, b.Raw[:end]...)
	for range value(b.Raw).pairs() {
		dst = append(dst, ',')
		break
	}
	dst = append(dst, `"id":`...)
	dst = strconv.AppendInt(dst, b.ID, 10)
	return append(dst, '}')
}
