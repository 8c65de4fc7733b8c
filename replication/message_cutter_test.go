package replication

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"walcast/replication/pgoutput"
)

// backendMessage is a message as the server sends it.
func backendMessage(kind byte, content []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{kind}, uint32(4+len(content))), content...)
}

// logicalMessage is one inside CopyData.
func logicalMessage(flags byte, prefix, content string) []byte {
	b := append([]byte{walDataByte}, make([]byte, walDataHeader-1)...)
	b = append(b, 'M', flags, 0, 0, 0, 0, 0, 0, 0, 9)
	b = append(append(b, prefix...), 0)
	b = append(binary.BigEndian.AppendUint32(b, uint32(len(content))), content...)
	return backendMessage(copyDataByte, b)
}

// pieces is a source that gives so much at once at most.
type pieces struct {
	io.Reader
	random *rand.Rand
	most   int
}

func (p pieces) Read(b []byte) (int, error) {
	return p.Reader.Read(b[:min(len(b), 1+p.random.IntN(p.most))])
}

func TestLargeMessagesOfOthersAreCutWhileTheyCome(t *testing.T) {
	large := strings.Repeat("x", largeMessage)
	row := append([]byte{walDataByte}, make([]byte, 100_000)...)
	var sent, want bytes.Buffer
	pass := func(b []byte) { sent.Write(b); want.Write(b) }
	cut := func(b, left []byte) { sent.Write(b); want.Write(left) }
	for range 3 {
		pass(backendMessage('Z', []byte("I")))
		pass(logicalMessage(1, "walcast.broadcast", large))
		cut(logicalMessage(1, "theirs", large), logicalMessage(1|pgoutput.FlagCut, "theirs", ""))
		pass(logicalMessage(0, "theirs", "small"))
		cut(logicalMessage(0, "walcastling", large+large), logicalMessage(pgoutput.FlagCut, "walcastling", ""))
		pass(backendMessage(copyDataByte, row))
		cut(logicalMessage(1, large, ""), logicalMessage(1|pgoutput.FlagCut, large[:longestPrefix], ""))
		pass(backendMessage('N', []byte(large)))
		cut(logicalMessage(1, "walcast.broadcast", strings.Repeat("y", largestMessage)), logicalMessage(1|pgoutput.FlagCut, "walcast.broadcast", ""))
		cut(logicalMessage(1, "", large), logicalMessage(1|pgoutput.FlagCut, "", ""))
	}
	for _, most := range []int{7, 100, 5000, socketBuffer} {
		sr := newSocketReader()
		sr.source = pieces{bytes.NewReader(sent.Bytes()), rand.New(rand.NewPCG(1, uint64(most))), most}
		got, err := io.ReadAll(sr)
		if err != nil || !bytes.Equal(got, want.Bytes()) {
			t.Errorf("in pieces of up to %d bytes: %d bytes, %v; want %d, cut", most, len(got), err, want.Len())
		}
		if len(sr.buffer) != socketBuffer {
			t.Errorf("the buffer has grown to %d bytes", len(sr.buffer))
		}
	}
}
