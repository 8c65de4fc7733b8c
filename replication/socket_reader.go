package replication

import (
	"io"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// socketBuffer is how much is taken from the socket at once, in bytes. pgproto3
// asks for 8 kB, which would be a system call for every 60 rows or so. It is more
// than what a messageCutter wants to see of a message.
const socketBuffer = 64 << 10

// socketReader stands between the socket and pgproto3. It knows when the socket
// has nothing more at hand, which is when to append what has come to the log,
// and since when the server has been silent.
//
// One goroutine reads; silence may be called by others.
type socketReader struct {
	source io.Reader

	// drained is called by the reading goroutine before it may block; nil is fine.
	drained func()

	buffer           []byte
	start, seen, end int // buffer[start:end] has come and is not yet read; up to seen it may be
	cutter           messageCutter
	failed           error // came with the last data

	waiting *atomicTime // since when a read of the socket has blocked, none while none does
}

func newSocketReader() *socketReader {
	return &socketReader{buffer: make([]byte, socketBuffer), waiting: newAtomicTime(time.Now())}
}

// frontend is pgconn's BuildFrontend. Each attempt to connect calls it anew.
func (sr *socketReader) frontend(r io.Reader, w io.Writer) *pgproto3.Frontend {
	sr.source, sr.start, sr.seen, sr.end = r, 0, 0, 0
	sr.cutter, sr.failed = messageCutter{}, nil
	return pgproto3.NewFrontend(sr, w)
}

// Read implements io.Reader.
func (sr *socketReader) Read(p []byte) (int, error) {
	for sr.start == sr.seen {
		if err := sr.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, sr.buffer[sr.start:sr.seen])
	sr.start += n
	return n, nil
}

// fill reads from the socket behind what cannot be handed out yet. An error comes
// when everything before it has been.
func (sr *socketReader) fill() error {
	if err := sr.failed; err != nil {
		if sr.seen = sr.end; sr.start == sr.seen {
			sr.failed = nil
			return err
		}
		return nil
	}
	if sr.drained != nil {
		sr.drained()
	}
	rest := copy(sr.buffer, sr.buffer[sr.seen:sr.end])
	sr.waiting.set(time.Now())
	n, err := sr.source.Read(sr.buffer[rest:])
	sr.waiting.clear()
	var uncut []byte
	uncut, sr.seen = sr.cutter.cut(sr.buffer[:rest+n])
	sr.start, sr.end, sr.failed = 0, len(uncut), err
	return nil
}

// silence is for how long a read has waited for the server. Time in which
// nothing is read does not count: then it is not the server that is silent.
func (sr *socketReader) silence(now time.Time) time.Duration { return sr.waiting.since(now) }
