package protocol

import (
	"encoding/json"
	"errors"
	"strings"
)

// Named is a refusal of a broadcast that acknowledgements have another name for
// than its code. It is an error.
type Named struct {
	Refusal
	Name string
}

// Unwrap is the refusal.
func (n Named) Unwrap() error { return n.Refusal }

// Acknowledged is the response to a broadcast that was stored under an id.
func Acknowledged(id string) json.RawMessage {
	b := appendQuoted([]byte(`{"id":`), id)
	return append(b, '}')
}

// Unacknowledged is the response to a broadcast that is refused: the reason for
// people, and beside it the name of the kind, which clients read.
func Unacknowledged(refusal error) json.RawMessage {
	b := appendQuoted([]byte(`{"reason":`), refusal.Error())
	b = append(b, `,"error":`...)
	b = appendQuoted(b, nameOf(refusal))
	return append(b, '}')
}

// nameOf is the kind of a refusal in upstream's spelling.
func nameOf(err error) string {
	var named Named
	var refusal Refusal
	switch {
	case errors.As(err, &named):
		return named.Name
	case !errors.As(err, &refusal):
		return "unable_to_set_policies"
	case refusal == RefusePayloadNotMap, refusal == RefuseHugeNumber:
		return "invalid_payload"
	case refusal == RefuseTooManyMessages:
		return "too_many_messages"
	case refusal == RefuseTooManyBytes:
		return "too_many_bytes"
	case refusal.Code == "":
		return refusal.Text // a name already
	}
	return snake(refusal.Code)
}

// snake spells a code in upstream's other way: MissingPartition is
// missing_partition.
func snake(code string) string {
	var b strings.Builder
	for i, r := range code {
		if 'A' <= r && r <= 'Z' {
			if i > 0 {
				b.WriteByte('_')
			}
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}
