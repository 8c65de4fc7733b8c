package protocol

import (
	"encoding/json"
	"strconv"
)

// Goal is what a client asks to be told of: that its channel has sent all that it
// is to get of a transaction, or up to a position. The zero Goal is the end of
// the WAL at the time of asking.
type Goal struct {
	XID      uint32 // 0 for none, which no transaction has
	Position string // as given; "" for none
}

// The refusals of progress.
var (
	RefuseProgress         = Refusal{"InvalidProgress", `The payload must be {}, {"xid": <number>} or {"position": "<position>"}`}
	RefuseProgressPosition = Refusal{"InvalidProgress", "The position must be one that the server has named, such as 16/B374D848:3"}
	RefuseProgressRef      = Refusal{"InvalidProgress", "The ref can have at most 256 bytes"}
	RefuseUnknownXID       = Refusal{"UnknownXid", "No transaction of the database has had this xid yet"}
	RefuseTooManyProgress  = Refusal{"TooManyProgress", "A channel can wait for at most 100 answers to progress"}
)

// ParseGoal reads the payload of progress. An error is a Refusal.
func ParseGoal(payload []byte) (g Goal, err error) {
	doc, ok := parse(payload)
	if !ok || doc.kind() != '{' {
		return Goal{}, RefuseProgress
	}
	var xid, position value
	for name, v := range doc.pairs() {
		switch string(name) {
		case "xid":
			xid = v
		case "position":
			position = v
		default:
			return Goal{}, RefuseProgress
		}
	}
	switch {
	case xid != nil && position != nil:
		return Goal{}, RefuseProgress
	case xid != nil:
		n, err := strconv.ParseUint(string(xid), 10, 32)
		if err != nil || n == 0 {
			return Goal{}, RefuseProgress
		}
		return Goal{XID: uint32(n)}, nil
	case position != nil:
		if g.Position, _ = position.text(); g.Position == "" {
			return Goal{}, RefuseProgress
		}
	}
	return g, nil
}

// Progress is the event that a goal is reached, in answer to the push with the ref
// request. Everything up to the position has been sent before, and everything
// that the snapshot sees, a pg_snapshot.
func (a Address) Progress(request Ref, position, snapshot string) *Frame {
	b := append(make(json.RawMessage, 0, 96+len(request)+len(snapshot)), `{"request":`...)
	b = request.appendTo(b)
	b = append(b, `,"position":`...)
	b = appendQuoted(b, position)
	b = append(b, `,"snapshot":`...)
	b = appendQuoted(b, snapshot)
	return a.Push(EventProgress, append(b, '}'))
}
