package cluster

import (
	"cmp"
	"encoding/json"
	"fmt"
	"time"

	"walcast/internal/nodes"
)

// Node is a node as the others know it.
type Node struct {
	Node     string    `json:"node"`     // its name, host:port
	Address  string    `json:"address"`  // where clients reach it
	Role     string    `json:"role"`     // reader, follower or standby
	Position string    `json:"position"` // up to which its log is complete, "" if it has none
	LagMS    int64     `json:"lag_ms"`   // behind Postgres, or behind the reader
	Sessions int       `json:"sessions"` // of clients
	Version  string    `json:"version"`  // of the program
	Since    time.Time `json:"since"`    // when it came
}

// formatNumber is that of the messages that this version writes, and the newest that it
// reads. It is the first byte of each.
const formatNumber = 1

// beat is the message by which a node says again and again that it is there.
type beat struct {
	Run  string // of the process
	Bye  bool   `json:",omitempty"` // it stops
	Node Node
}

// encode is the message.
func (b beat) encode() []byte { return Encode(b) }

// Encode is a message in JSON, with its format number in front. Its value has nothing in it
// that JSON cannot have.
func Encode(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // plain values always encode
	}
	return append([]byte{formatNumber}, text...)
}

// Content is a message that Encode has made without its format number, for which a newer
// version may have had another one.
func Content(message []byte) ([]byte, error) {
	switch {
	case len(message) == 0 || message[0] == 0:
		return nil, fmt.Errorf("read message of the bus: it has no format number")
	case message[0] > formatNumber:
		return nil, nodes.NewerError{Does: "writes messages", Format: message[0], Most: formatNumber}
	}
	return message[1:], nil
}

// mostText bounds what is taken of another node.
const mostText = 4 << 10

func decodeBeat(message []byte) (b beat, err error) {
	text, err := Content(message)
	if err != nil {
		return b, err
	}
	if len(text) > mostText {
		return b, fmt.Errorf("read beat: it has %d bytes", len(text))
	}
	if err := json.Unmarshal(text, &b); err != nil {
		return beat{}, fmt.Errorf("read beat: %w", err)
	}
	if b.Run == "" || b.Node.Node == "" {
		return beat{}, fmt.Errorf("read beat: it names no node")
	}
	return b, nil
}

// compare puts nodes in the order in which all tell them.
func (n Node) compare(o Node) int {
	return cmp.Or(cmp.Compare(n.Node, o.Node), n.Since.Compare(o.Since))
}
