package protocol

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
)

// unframe reads a frame as a socket would: opcode and payload.
func unframe(t *testing.T, f *Frame) (opcode byte, payload []byte) {
	t.Helper()
	wire := f.Wire()
	if wire[0]&0xf0 != finalFrame || wire[1]&0x80 != 0 {
		t.Fatalf("header %x; want FIN alone and no mask", wire[:2])
	}
	size, at := int(wire[1]), 2
	switch size {
	case 126:
		size, at = int(binary.BigEndian.Uint16(wire[2:])), 4
	case 127:
		size, at = int(binary.BigEndian.Uint64(wire[2:])), 10
	}
	if len(wire) != at+size {
		t.Fatalf("header says %d bytes, %d follow", size, len(wire)-at)
	}
	if !bytes.Equal(wire[at:], f.Payload()) {
		t.Fatal("Payload is not what follows the header")
	}
	return wire[0] & 0x0f, wire[at:]
}

func TestFrameHeaders(t *testing.T) {
	for _, c := range []struct{ size, header int }{
		{0, 2}, {1, 2}, {125, 2}, {126, 4}, {65_535, 4}, {65_536, 10}, {5_000_000, 10},
	} {
		want := bytes.Repeat([]byte("x"), c.size)
		f := newFrame(opBinary, append(newWire(c.size), want...))
		opcode, payload := unframe(t, f)
		if opcode != opBinary || !bytes.Equal(payload, want) || len(f.Wire()) != c.header+c.size {
			t.Errorf("frame of %d bytes has opcode %d and %d bytes in all; want %d and %d", c.size, opcode, len(f.Wire()), opBinary, c.header+c.size)
		}
	}
}

func TestTextFramesAreBuiltInOneAllocation(t *testing.T) {
	payload := []byte(`{"x":"` + strings.Repeat("x", 500) + `"}`)
	ids, meta := []byte("[1,2]"), []byte(`{"id":"7"}`)
	for _, v := range []Version{V1, V2, SSE} {
		builds := map[string]func() *Frame{
			"ReplyTo": func() *Frame {
				return v.ReplyTo(Message{Ref: `"2"`, Topic: "realtime:room"}, `"1"`, StatusOK, payload)
			},
			"Push":    func() *Frame { return v.Push(`"1"`, "", "realtime:room", EventSystem, payload) },
			"Changes": func() *Frame { return v.Changes("realtime:room", ids, payload) },
			"Broadcast": func() *Frame {
				return v.Broadcast("realtime:room", Broadcast{Event: "cursor", Encoding: EncodingJSON, Payload: payload, Meta: meta})
			},
		}
		for name, build := range builds {
			// One for the bytes, one for the Frame.
			if got := testing.AllocsPerRun(100, func() { build() }); got > 2 {
				t.Errorf("%s.%s allocates %v times; want 2", v, name, got)
			}
		}
	}
}

func TestControlFrames(t *testing.T) {
	long := strings.Repeat("x", 200)
	for _, c := range []struct {
		name   string
		frame  *Frame
		opcode byte
		want   string
	}{
		{"an empty ping", Ping(nil), opPing, ""},
		{"a ping with a position", Ping([]byte("16/B374D848:3")), opPing, "16/B374D848:3"},
		{"a pong", Pong([]byte("x")), opPong, "x"},
		{"a pong that is too long", Pong([]byte(long)), opPong, long[:125]},
		{"a close", CloseFrame(CloseRestart, "bye"), opClose, "\x03\xf4bye"},
		{"a close with a code of an application", CloseFrame(4001, ""), opClose, "\x0f\xa1"},
		{"a close whose reason is too long", CloseFrame(CloseNormal, long), opClose, "\x03\xe8" + long[:123]},
		{"a reason cut between characters", CloseFrame(CloseNormal, strings.Repeat("x", 122)+"ü"), opClose, "\x03\xe8" + strings.Repeat("x", 122)},
		{"a reason that is not UTF-8", CloseFrame(CloseNormal, "a\xffb"), opClose, "\x03\xe8a\ufffdb"},
		{"an echo of a close without code", CloseFrame(1005, "x"), opClose, ""},
		{"a code that may not be sent", CloseFrame(1006, ""), opClose, ""},
		{"a code that is none", CloseFrame(0, ""), opClose, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			opcode, payload := unframe(t, c.frame)
			if opcode != c.opcode || string(payload) != c.want {
				t.Errorf("opcode %x, payload %q; want %x, %q", opcode, payload, c.opcode, c.want)
			}
		})
	}
}

func TestReplyNamesATopicThatIsNoString(t *testing.T) {
	m, err := V2.Decode([]byte(`["1","2",{"a":1.50},"phx_join",{}]`), false)
	if err != nil {
		t.Fatal(err)
	}
	want := map[Version]string{
		V1: `{"ref":"2","event":"phx_reply","payload":{"status":"error","response":{"reason":"unmatched topic"}},"topic":{"a":1.50}}`,
		V2: `[null,"2",{"a":1.50},"phx_reply",{"status":"error","response":{"reason":"unmatched topic"}}]`,
	}
	for v, text := range want {
		if got := v.ReplyTo(m, "", StatusError, Reason(RefuseUnmatchedTopic)).Payload(); string(got) != text {
			t.Errorf("%s.ReplyTo = %s; want %s", v, got, text)
		}
	}
}

// The examples of docs/protocol.md, "Binary frames", and some like them.
func TestBinaryBroadcastsByteForByte(t *testing.T) {
	topic, json := "realtime:room1", []byte(`{"x":1}`)
	for _, c := range []struct {
		name string
		b    Broadcast
		want string
	}{
		{
			"JSON",
			Broadcast{Event: "cur", Encoding: EncodingJSON, Payload: json},
			"04 0e 03 00 01 72 65 61 6c 74 69 6d 65 3a 72 6f 6f 6d 31 63 75 72 7b 22 78 22 3a 31 7d",
		},
		{
			"JSON with metadata",
			Broadcast{Event: "cur", Encoding: EncodingJSON, Payload: json, Meta: []byte(`{"id":"7"}`)},
			"04 0e 03 0a 01 72 65 61 6c 74 69 6d 65 3a 72 6f 6f 6d 31 63 75 72 7b 22 69 64 22 3a 22 37 22 7d 7b 22 78 22 3a 31 7d",
		},
		{
			"replayed bytes",
			Broadcast{Event: "cur", Payload: []byte{0xde, 0xad}, Meta: []byte(`{"replayed":true,"id":"7"}`)},
			"04 0e 03 1a 00 72 65 61 6c 74 69 6d 65 3a 72 6f 6f 6d 31 63 75 72 7b 22 72 65 70 6c 61 79 65 64 22 3a 74 72 75 65 2c 22 69 64 22 3a 22 37 22 7d de ad",
		},
		{
			"kind 2",
			Broadcast{Opaque: []byte{1, 2}},
			"02 0e 09 72 65 61 6c 74 69 6d 65 3a 72 6f 6f 6d 31 62 72 6f 61 64 63 61 73 74 01 02",
		},
	} {
		opcode, payload := unframe(t, V2.Broadcast(topic, c.b))
		if got := fmt.Sprintf("% x", payload); opcode != opBinary || got != c.want {
			t.Errorf("%s: opcode %x, payload %s; want %s", c.name, opcode, got, c.want)
		}
	}
}
