package replication

import (
	"io"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// intakeBuffer is how much is taken from the socket at once. pgproto3 asks for
// 8 kB, which would be a system call for every 60 rows or so.
const intakeBuffer = 64 << 10

// intake stands between the socket and the protocol. It knows when the socket
// has nothing more at hand, which is the moment to pass on what has come, and
// since when the server has been silent.
//
// One goroutine reads; silence may be called by others.
type intake struct {
	source io.Reader

	// empty is called by the reading goroutine before it may block; nil is fine.
	empty func()

	buffer     []byte
	start, end int // of what has come and is not yet taken

	waiting *moment // when the present wait began, none while there is none
}

func newIntake() *intake {
	return &intake{buffer: make([]byte, intakeBuffer), waiting: newMoment(time.Now())}
}

// frontend is pgconn's BuildFrontend. Each attempt to connect calls it anew.
func (in *intake) frontend(r io.Reader, w io.Writer) *pgproto3.Frontend {
	in.source, in.start, in.end = r, 0, 0
	return pgproto3.NewFrontend(in, w)
}

// Read implements io.Reader.
func (in *intake) Read(p []byte) (int, error) {
	if in.start == in.end {
		if in.empty != nil {
			in.empty()
		}
		in.waiting.set(time.Now())
		n, err := in.source.Read(in.buffer)
		in.waiting.clear()
		in.start, in.end = 0, n
		if n == 0 {
			return 0, err
		}
		// An error that came with data comes again with the next read.
	}
	n := copy(p, in.buffer[in.start:in.end])
	in.start += n
	return n, nil
}

// silence is how long reading has waited in vain. Time in which nobody reads
// does not count: then it is not the server that is silent.
func (in *intake) silence(now time.Time) time.Duration { return in.waiting.since(now) }
