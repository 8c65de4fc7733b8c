package replication

import (
	"bytes"
	"encoding/binary"
	"strings"

	"walcast/replication/pgoutput"
)

const (
	// largeMessage is the size from which on it is decided about a logical message
	// before all of it has come. Smaller ones take too little memory to matter. It
	// fits into socketBuffer.
	largeMessage = 32 << 10
	// largestMessage is how large one of ours may be.
	largestMessage = 16 << 20
	// longestPrefix is how much of a prefix is looked at: ours are short.
	longestPrefix = 64

	messageHeader = 1 + 4                                 // kind and length
	prefixAt      = messageHeader + walDataHeader + 1 + 9 // of a logical message: after its kind, flags and LSN
)

// isOurs reports by its prefix whether a logical message was written by walcast or
// for its clients. Those of other tools are only counted.
func isOurs(prefix []byte) bool {
	return string(prefix) == messagePrefix || strings.HasPrefix(string(prefix), messagePrefix+".")
}

// messageCutter takes the content out of logical messages that nobody wants while
// their bytes come: pg_logical_emit_message takes up to 1 GB, all of which would
// otherwise be in memory once the message is complete. It changes nothing else. It works
// on what was read so far of the server's messages.
type messageCutter struct {
	pass int // bytes still to come of a message that stays as it is
	skip int // bytes still to come of what is taken out
}

// cut works on the bytes that follow those that it has seen. It returns what stays
// of b, and how far it has seen it: what is behind that must come again, with more.
func (c *messageCutter) cut(b []byte) (rest []byte, seen int) {
	at := 0
	for at < len(b) {
		switch {
		case c.pass > 0:
			n := min(c.pass, len(b)-at)
			c.pass -= n
			at += n
		case c.skip > 0:
			n := min(c.skip, len(b)-at)
			c.skip -= n
			b = append(b[:at], b[at+n:]...)
		case !c.begin(b[at:]):
			return b, at
		}
	}
	return b, at
}

// begin decides what becomes of the message that begins with b. It is false if
// there is too little of it.
func (c *messageCutter) begin(b []byte) bool {
	if len(b) < messageHeader {
		return false
	}
	size := 1 + max(int(binary.BigEndian.Uint32(b[1:])), 4)
	if b[0] != copyDataByte || size < largeMessage {
		c.pass = size
		return true
	}
	if len(b) < prefixAt+longestPrefix+1+4 {
		return false
	}
	if b[messageHeader] != walDataByte || b[messageHeader+walDataHeader] != 'M' {
		c.pass = size
		return true
	}
	length := bytes.IndexByte(b[prefixAt:][:longestPrefix+1], 0)
	ours := length >= 0 && isOurs(b[prefixAt:][:length])
	if ours && size <= largestMessage {
		c.pass = size
		return true
	}
	if length < 0 {
		length = longestPrefix
	}
	c.empty(b, size, length)
	return true
}

// empty leaves a message of the size with so much of its prefix and no content.
func (c *messageCutter) empty(b []byte, size, length int) {
	c.pass = prefixAt + length + 1 + 4
	c.skip = size - c.pass
	binary.BigEndian.PutUint32(b[1:], uint32(c.pass-1))
	b[prefixAt-9] |= pgoutput.FlagCut
	clear(b[prefixAt+length : c.pass])
}
