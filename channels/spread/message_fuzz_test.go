package spread

import (
	"bytes"
	"testing"

	"walcast/channels/topics"
	"walcast/internal/nodes"
	"walcast/protocol"
)

// examples are messages of each kind.
func examples() []message {
	all := []message{
		{kind: kindSummary, run: "r", number: 7, prev: 3, news: []nodes.News[uint64]{{Topic: 1, Number: 5}, {Topic: 2, Number: 7}}},
		{kind: kindSummary, run: "r", bye: true},
		{kind: kindQuestion, run: "r", round: 9},
		{kind: kindAnswer, run: "r", number: 7, round: 9},
	}
	for _, b := range []protocol.Broadcast{
		{Relay: []byte(`{}`)},
		{Opaque: []byte{}},
		{Opaque: []byte{1}},
		{Event: "e", Encoding: protocol.EncodingJSON, Payload: []byte(`{}`)},
		{Event: "e", Payload: []byte{0xff}, Meta: []byte(`{"id":"7"}`)},
		{Payload: []byte{}},
	} {
		all = append(all, message{
			kind: kindBroadcast, run: "r", number: 7, prev: 3, key: protocol.Topic{Name: "realtime:a b.*>", Private: len(all)%2 == 0},
			carried: topics.Carried{Broadcast: b, Client: "c", ID: "i", Origin: topics.Origin{Run: "r", Number: 8}},
		})
	}
	return all
}

// FuzzDecode has what is read be written as it was: nothing of a message is lost or
// taken for something else.
func FuzzDecode(f *testing.F) {
	for _, m := range examples() {
		f.Add(m.encode())
	}
	f.Add([]byte{format})
	f.Fuzz(func(t *testing.T, encoded []byte) {
		m, err := decode(encoded)
		if err != nil {
			return
		}
		again, err := decode(m.encode())
		if err != nil || !bytes.Equal(again.encode(), m.encode()) {
			t.Errorf("decode(%q) = %+v, and then %+v, %v", encoded, m, again, err)
		}
	})
}
