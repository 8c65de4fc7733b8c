package protocol

import (
	"bytes"
	"compress/flate"
	"io"
	"strings"
	"testing"
)

func TestCompressedIsMadeOnceAndOnlyIfItIsSmaller(t *testing.T) {
	calls := 0
	deflate := func(dst, payload []byte) []byte {
		calls++
		b := bytes.NewBuffer(dst)
		w, err := flate.NewWriter(b, flate.BestSpeed)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(payload)
		w.Flush()
		return b.Bytes()[:b.Len()-4]
	}
	text := `"` + strings.Repeat("walcast ", 1000) + `"`
	f := V2.Push("", "", "realtime:x", "e", []byte(text))
	got := f.Compressed(deflate)
	if &f.Compressed(deflate)[0] != &got[0] || calls != 1 {
		t.Errorf("deflated %d times for two callers, want once", calls)
	}
	if got[0] != finalFrame|reserved1|opText || int(got[1]) != len(got)-2 {
		t.Fatalf("header = % x, want FIN, RSV1, text and the length", got[:2])
	}
	payload, err := io.ReadAll(flate.NewReader(io.MultiReader(bytes.NewReader(got[2:]), strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xff\xff"))))
	if err != nil || !bytes.Equal(payload, f.Payload()) {
		t.Errorf("inflates to %d bytes, %v; want the payload of %d", len(payload), err, len(f.Payload()))
	}

	grown := V2.Push("", "", "realtime:x", "e", []byte("{}"))
	if got := grown.Compressed(func(dst, payload []byte) []byte { return append(append(dst, payload...), 0) }); &got[0] != &grown.Wire()[0] {
		t.Error("a frame that does not become smaller is sent compressed")
	}
}
