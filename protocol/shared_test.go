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

func TestChangesThatShareTheirDataAreTheSameOnTheWire(t *testing.T) {
	for _, version := range []Version{V1, V2, SSE, UnnamedSSE} {
		for _, size := range []int{0, SharedFrom, 65_536, 200_000} {
			data := []byte(`{"x":"` + strings.Repeat("x", size) + `"}`)
			want := version.ChangesAt("1/2:3", "realtime:room", []byte("[1,2]"), data)
			got := version.ChangesShared("1/2:3", "realtime:room", []byte("[1,2]"), data)
			pieces := got.AppendPieces(nil)
			if !bytes.Equal(got.Wire(), want.Wire()) || !bytes.Equal(bytes.Join(pieces, nil), want.Wire()) || got.Size() != want.Size() ||
				!bytes.Equal(got.Payload(), want.Payload()) {
				t.Errorf("vsn %s with %d bytes: %.80q; want %.80q", version, size, got.Wire(), want.Wire())
			}
			if shared := len(pieces) == 3 && &pieces[1][0] == &data[0]; shared != (len(data) >= SharedFrom) {
				t.Errorf("vsn %s with %d bytes: the data are shared: %t; want from %d on", version, size, shared, SharedFrom)
			}
		}
	}
	if got := SSE.ChangesShared("", "", []byte("[1]"), []byte("{\n"+strings.Repeat(" ", SharedFrom)+"}")).Wire(); bytes.Count(got, []byte("\n")) != 4-1 {
		t.Errorf("data with a line break are %.60q…; want one line", got)
	}
}

// A change goes to many: what it is compressed is made once.
func TestChangesThatShareTheirDataAreCompressedOnce(t *testing.T) {
	calls := 0
	halve := func(dst, payload []byte) []byte { calls++; return append(dst, payload[:len(payload)/2]...) }
	f := V2.ChangesShared("", "realtime:room", []byte("[1]"), make([]byte, SharedFrom))
	if first := f.Compressed(halve); &first[0] != &f.Compressed(halve)[0] || calls != 1 {
		t.Errorf("compressed %d times for two receivers; want once", calls)
	}
}
