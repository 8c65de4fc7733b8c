package protocol

import (
	"bytes"
	"strings"
	"testing"
)

func TestAFrameThatSharesItsPayloadIsTheSameOnTheWire(t *testing.T) {
	for _, version := range []Version{V1, V2, SSE} {
		for _, size := range []int{0, 20, 125, 126, 5000, 65_500, 65_536, 200_000} {
			payload := []byte(`{"x":"` + strings.Repeat("x", size) + `"}`)
			want := version.Push(`"7"`, "", "realtime:room", EventPresenceState, payload)
			got := Address{Version: version, Topic: "realtime:room", JoinRef: `"7"`}.PushShared(EventPresenceState, payload)
			pieces := bytes.Join(got.AppendPieces(nil), nil)
			if !bytes.Equal(got.Wire(), want.Wire()) || !bytes.Equal(pieces, want.Wire()) || !bytes.Equal(got.Payload(), want.Payload()) ||
				got.Size() != len(want.Wire()) || want.Size() != got.Size() {
				t.Errorf("vsn %s with %d bytes: %.60q; want %.60q", version, size, got.Wire(), want.Wire())
			}
			if version == SSE {
				continue
			}
			halve := func(dst, payload []byte) []byte { return append(dst, payload[:len(payload)/2]...) }
			if !bytes.Equal(got.Compressed(halve), want.Compressed(halve)) {
				t.Errorf("vsn %s with %d bytes is compressed to something else", version, size)
			}
		}
	}
}
