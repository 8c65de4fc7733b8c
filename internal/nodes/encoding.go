package nodes

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"
)

// Hash names a topic. Clients choose names: even half of it is too long for two topics of
// one hash to be found.
func Hash(name string, private bool) [sha256.Size]byte {
	text := make([]byte, 0, 128)
	text = append(text, Bit(private, 1))
	return sha256.Sum256(append(text, name...))
}

// Digest names a topic in summaries, where another of the same digest does no harm.
func Digest(name string, private bool) uint64 {
	sum := Hash(name, private)
	return binary.BigEndian.Uint64(sum[:])
}

// NewerError is that of a message which a newer version has written.
type NewerError struct {
	Does         string // what the node does, as "sends broadcasts"
	Format, Most byte   // that of the message, and the newest that is known here
}

func (e NewerError) Error() string {
	return fmt.Sprintf("a node %s in format %d, and this version reads %d at most: upgrade this node", e.Does, e.Format, e.Most)
}

// ErrCut is that of a message whose end is missing.
var ErrCut = errors.New("it is cut off")

// AppendHeader appends what a message begins with: its format and kind, and the process that
// sends it.
func AppendHeader(b []byte, format, kind byte, run string) []byte {
	return AppendBytes(append(b, format, kind), run)
}

// ReadHeader reads that of a message, of which rest is what follows. does is what the node
// does by such messages, as in NewerError.
func ReadHeader(message []byte, format byte, does string) (kind byte, run string, rest Reader, err error) {
	switch {
	case len(message) > 0 && message[0] > format:
		return 0, "", rest, NewerError{Does: does, Format: message[0], Most: format}
	case len(message) < 2 || message[0] != format:
		return 0, "", rest, fmt.Errorf("read what a node %s: %w", does, ErrCut)
	}
	rest.Rest = message[2:]
	if run = string(rest.Text()); run == "" {
		rest.Fail(ErrCut)
	}
	return message[1], run, rest, nil
}

// Bit is the flag if it is set.
func Bit(is bool, flag byte) byte {
	if is {
		return flag
	}
	return 0
}

// AppendBytes appends a text behind its length.
func AppendBytes[T ~string | ~[]byte](b []byte, text T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// AppendAge appends for how long something has been, or will be, in milliseconds, rounded up.
func AppendAge(b []byte, age time.Duration) []byte {
	return binary.AppendUvarint(b, uint64((max(0, age)+time.Millisecond-1)/time.Millisecond))
}

// mostAge is larger than any that counts, and small enough to be added up.
const mostAge = 100 * 365 * 24 * time.Hour

// Reader reads the parts of a message. After an error it reads nothing.
type Reader struct {
	Rest []byte
	Err  error
}

// Fail ends the reading. Only the first error counts.
func (r *Reader) Fail(err error) {
	if r.Err == nil {
		r.Err, r.Rest = err, nil
	}
}

// Take is the next bytes, zeros after an error. The caller bounds length.
func (r *Reader) Take(length int) []byte {
	if length > len(r.Rest) {
		r.Fail(ErrCut)
		return make([]byte, length)
	}
	taken := r.Rest[:length]
	r.Rest = r.Rest[length:]
	return taken
}

// Number reads what binary.AppendUvarint has written.
func (r *Reader) Number() uint64 {
	n, length := binary.Uvarint(r.Rest)
	if length <= 0 {
		r.Fail(ErrCut)
		return 0
	}
	r.Rest = r.Rest[length:]
	return n
}

// Small reads a number of 32 bits.
func (r *Reader) Small() uint32 {
	n := r.Number()
	if n > math.MaxUint32 {
		r.Fail(errors.New("a number that is too large"))
	}
	return uint32(n)
}

// Age reads what AppendAge has written.
func (r *Reader) Age() time.Duration {
	n := r.Number()
	return time.Duration(min(n, uint64(mostAge/time.Millisecond))) * time.Millisecond
}

// Text reads what AppendBytes has written. It refers to the message.
func (r *Reader) Text() []byte {
	length := r.Number()
	if length > uint64(len(r.Rest)) {
		r.Fail(ErrCut)
		return nil
	}
	return r.Take(int(length))
}

// Count reads that of a list, of which each element has so many bytes at least.
func (r *Reader) Count(least int) int {
	n := r.Number()
	if n > uint64(len(r.Rest)/least) {
		r.Fail(ErrCut)
		return 0
	}
	return int(n)
}

// Flags reads a byte of flags up to most.
func (r *Reader) Flags(most byte) byte {
	flags := r.Take(1)[0]
	if flags > most {
		r.Fail(errors.New("unknown flags"))
	}
	return flags
}

// Fixed reads a number of eight bytes.
func (r *Reader) Fixed() uint64 { return binary.BigEndian.Uint64(r.Take(8)) }
