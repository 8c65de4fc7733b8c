package explain

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"walcast/diagnose"
	"walcast/protocol"
	"walcast/replication/catalog"
	"walcast/replication/wal"
)

// Question is a binding and a subject, and perhaps a row. The subject is that of a token, or
// of a role and claims.
type Question struct {
	Table  string   `json:"table"`            // schema.table, or the table alone for schema public
	Event  string   `json:"event,omitempty"`  // INSERT, UPDATE, DELETE, or * for these three, which is the default
	Filter string   `json:"filter,omitempty"` // as a binding has it
	Select []string `json:"select,omitempty"`

	Token  string          `json:"token,omitempty"`
	Role   string          `json:"role,omitempty"`
	Claims json.RawMessage `json:"claims,omitempty"` // an object

	// Action is what is done to the row: INSERT, which is the default, UPDATE or DELETE.
	Action string `json:"action,omitempty"`
	// Row is an object: columns with texts as Postgres prints them, numbers, booleans or
	// null. It is the new row, of a DELETE the old one.
	Row json.RawMessage `json:"row,omitempty"`
	// Key is an object like Row, in place of it: the row is the one that the table has.
	Key json.RawMessage `json:"key,omitempty"`
}

// QuestionError says what is wrong with a question.
type QuestionError struct{ text string }

func (e *QuestionError) Error() string { return e.text }

func wrong(format string, args ...any) error { return &QuestionError{fmt.Sprintf(format, args...)} }

// Holder is the subject of a token.
type Holder struct {
	Role    string
	Claims  string // an object
	Refused string // why a server refuses the token, "" if it does not
	// Unverified says that nobody has looked whether the token is good.
	Unverified bool
}

// inquiry is a question that has been read.
type inquiry struct {
	table  catalog.TableName
	spec   protocol.Binding
	holder Holder
	action wal.Operation // 0 without a row
	row    fields        // nil for none
	key    fields        // nil for none
}

// fields are the entries of an object.
type fields map[string]json.RawMessage

// most is how many bytes claims or a row may have.
const most = 1 << 20

func (q Question) read(holder func(token string) (Holder, error)) (a inquiry, err error) {
	if a.table, err = diagnose.ParseTable(q.Table); err != nil {
		return a, wrong("table: %v", err)
	}
	if a.table.Schema == "*" || a.table.Table == "*" {
		return a, wrong("table: want one table, got %q", q.Table)
	}
	if a.spec, err = q.binding(a.table); err != nil {
		return a, err
	}
	if a.row, err = readObject("row", q.Row); err != nil {
		return a, err
	}
	if a.key, err = readObject("key", q.Key); err != nil {
		return a, err
	}
	switch hasRow := a.row != nil || a.key != nil; {
	case a.row != nil && a.key != nil:
		return a, wrong("row and key are given: want one of them")
	case a.key != nil && len(a.key) == 0:
		return a, wrong("key: want an object with a column")
	case hasRow || q.Action != "":
		if a.action, err = readAction(q.Action); err == nil && !hasRow {
			err = wrong("action is given without a row: want row or key")
		}
		if err != nil {
			return a, err
		}
	}
	a.holder, err = q.subject(holder)
	return a, err
}

// binding has the binding read as that of a join.
func (q Question) binding(t catalog.TableName) (protocol.Binding, error) {
	if !slices.Contains([]string{"", "*", "INSERT", "UPDATE", "DELETE"}, q.Event) {
		return protocol.Binding{}, wrong("event: want INSERT, UPDATE, DELETE or *, got %q", q.Event)
	}
	entry := map[string]any{"event": "*", "schema": t.Schema, "table": t.Table}
	if q.Event != "" {
		entry["event"] = q.Event
	}
	if q.Filter != "" {
		entry["filter"] = q.Filter
	}
	if q.Select != nil {
		entry["select"] = q.Select
	}
	payload, _ := json.Marshal(map[string]any{"config": map[string]any{"postgres_changes": []any{entry}}}) // maps of texts always encode
	join, err := protocol.ParseJoin("explain", payload)
	if err != nil {
		return protocol.Binding{}, wrong("%v", err)
	}
	return join.Bindings[0], nil
}

func readAction(text string) (wal.Operation, error) {
	for _, op := range []wal.Operation{wal.Insert, wal.Update, wal.Delete} {
		if text == op.String() {
			return op, nil
		}
	}
	if text == "" {
		return wal.Insert, nil
	}
	return 0, wrong("action: want INSERT, UPDATE or DELETE, got %q", text)
}

// readObject reads an object, nil if there is none.
func readObject(what string, text json.RawMessage) (fields, error) {
	switch {
	case len(text) == 0:
		return nil, nil
	case len(text) > most:
		return nil, wrong("%s: want at most %d bytes, got %d", what, most, len(text))
	}
	var f fields
	if json.Unmarshal(text, &f) != nil || f == nil {
		return nil, wrong(`%s: want an object in JSON, such as {"id": 5}`, what)
	}
	return f, nil
}

// subject is the role and the claims. Claims without a role get the one that is given, as
// every token has one.
func (q Question) subject(holder func(token string) (Holder, error)) (h Holder, err error) {
	claims, err := readObject("claims", q.Claims)
	switch {
	case err != nil:
		return h, err
	case q.Token != "" && (q.Role != "" || claims != nil):
		return h, wrong("token is given together with role or claims: want the one or the others")
	case q.Token != "" && holder == nil:
		return h, wrong("token: there is nobody to read it")
	case q.Token != "":
		if h, err = holder(q.Token); err != nil {
			return h, wrong("token: %v", err)
		}
		return h, nil
	}
	h.Role, h.Claims = q.Role, strings.TrimSpace(string(q.Claims))
	var said *string
	if claims["role"] != nil && json.Unmarshal(claims["role"], &said) == nil && said != nil {
		if h.Role != "" && h.Role != *said {
			return h, wrong("role is %q, and the claims have the role %q: want one", h.Role, *said)
		}
		h.Role = *said
	} else if h.Role != "" {
		if claims == nil {
			claims = fields{}
		}
		claims["role"], _ = json.Marshal(h.Role) // a text always encodes
		text, _ := json.Marshal(claims)          // what was read encodes
		h.Claims = string(text)
	}
	if h.Role == "" || len(h.Role) > protocol.MaxIdentifier || !protocol.IsName(h.Role) {
		return h, wrong("role: want the name of a role, or a token, or claims that have a role")
	}
	return h, nil
}
