package api

import (
	"bytes"
	"errors"
	"net/http"
	"testing"

	"walcast/internal/nodes"
)

// FuzzDecodeNotice has what is read be written as it was.
func FuzzDecodeNotice(f *testing.F) {
	scope := make([]byte, len(digest{}))
	told := done{answer: jsonResponse(http.StatusAccepted, map[string]string{"id": "1"})}.told()
	for _, n := range []notice{
		{Kind: kindQuestion, Run: "r", Number: 7, Scope: scope},
		{Kind: kindAnswer, Run: "r", Number: 7, Running: true},
		{Kind: kindAnswer, Run: "r", Number: 7, Done: told},
		{Kind: kindDone, Run: "r", Scope: scope, Done: told},
		{Kind: kindSpent, Run: "r", Spent: []spent{{"a", 1, 2}}},
		{Kind: kindEnd, Run: "r", Number: 7, End: &endNotice{What: disconnected, Body: []byte(`{"sub":"ann"}`)}},
		{Kind: kindEnded, Run: "r", Number: 7, Ended: 2},
	} {
		f.Add(n.encode())
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		n, err := decodeNotice(text)
		if err != nil {
			return
		}
		if n.Done != nil {
			n.Done.done() // of what is read everything can be used
		}
		again, err := decodeNotice(n.encode())
		if err != nil || !bytes.Equal(again.encode(), n.encode()) {
			t.Errorf("decodeNotice(%q) = %+v, and then %+v, %v", text, n, again, err)
		}
	})
}

func TestANoticeOfANewerFormatIsTold(t *testing.T) {
	_, err := decodeNotice([]byte{notice{}.encode()[0] + 1, '{'})
	var newer nodes.NewerError
	if !errors.As(err, &newer) {
		t.Errorf("decodeNotice of a newer format = %v; want an error that says so", err)
	}
}
