package relay

import (
	"encoding/json"
	"fmt"

	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// Opening is what a stream is of. It is the first record of a stream.
type Opening struct {
	History  changelog.History
	Reason   string // why that history began, one of changelog's codes; "" if it goes on from an earlier run
	Source   changelog.Source
	Instance string  // when the run of Postgres began that is read
	End      wal.LSN // of the WAL when the stream began: what commits before is old
	Encoding string  // of the database
	AsStored bool    // text comes in that encoding, not in UTF-8
}

func (o Opening) encode() []byte {
	text, err := json.Marshal(o)
	if err != nil {
		panic(err) // plain values always encode
	}
	return text
}

// DecodeOpening reads the payload of a KindOpening.
func DecodeOpening(payload []byte) (o Opening, err error) {
	if err := json.Unmarshal(payload, &o); err != nil {
		return Opening{}, fmt.Errorf("read opening of a stream: %w", err)
	}
	if o.History.System == "" || o.History.Slot == "" {
		return Opening{}, fmt.Errorf("read opening of a stream: it names no history")
	}
	return o, nil
}
