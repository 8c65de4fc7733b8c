package relay

import (
	"encoding/binary"

	"walcast/replication/wal"
)

const (
	// MostRecords is how many bytes of records are in a batch, at most. NATS takes
	// messages of 1 MiB.
	MostRecords = 500 << 10
	// enough is how many bytes are sent though more is at hand.
	enough = 256 << 10
)

// Writer makes batches of the messages of one stream.
type Writer struct {
	emit func(Batch)

	next   Batch   // its records are those that wait; Last is not known yet
	whole  int     // records[:whole] are of transactions that are complete
	last   wal.LSN // everything that commits before it is in what was added
	inside bool    // behind the records a transaction is open
}

// NewWriter begins a stream from an LSN: what commits before it is not in it. emit gets
// each batch, whose records are not changed any more.
func NewWriter(term Term, from wal.LSN, o Opening, emit func(Batch)) *Writer {
	w := &Writer{emit: emit, next: Batch{Term: term, Prev: from}, last: from}
	w.next.Records = appendRecord(nil, KindOpening, o.encode())
	w.whole = len(w.next.Records)
	w.Flush()
	return w
}

// Message adds a message of the plugin. end is where its transaction ends if it is the
// message that ends one, else 0.
func (w *Writer) Message(payload []byte, end wal.LSN) {
	for len(payload) > MostRecords {
		w.add(KindPart, payload[:MostRecords])
		payload = payload[MostRecords:]
	}
	w.add(KindMessage, payload)
	if end != 0 {
		w.complete(end)
	}
	if len(w.next.Records) >= enough {
		w.cut(len(w.next.Records))
	}
}

// Keepalive says that everything that commits before end has come. It must not be
// called inside of a transaction.
func (w *Writer) Keepalive(end wal.LSN) {
	if end <= w.last {
		return
	}
	w.add(KindKeepalive, binary.BigEndian.AppendUint64(nil, uint64(end)))
	w.complete(end)
}

func (w *Writer) add(kind byte, payload []byte) {
	if len(w.next.Records)+len(payload) > MostRecords {
		w.cut(len(w.next.Records))
	}
	w.next.Records = appendRecord(w.next.Records, kind, payload)
	w.inside = true
}

func (w *Writer) complete(end wal.LSN) {
	w.last = max(w.last, end)
	w.whole, w.inside = len(w.next.Records), false
}

// Flush emits the complete transactions that wait.
func (w *Writer) Flush() { w.cut(w.whole) }

// cut emits the records before n.
func (w *Writer) cut(n int) {
	if n == 0 {
		return
	}
	b := w.next
	b.Number++
	b.Records = w.next.Records[:n:n]
	b.Last = w.last
	rest := append([]byte(nil), w.next.Records[n:]...)
	inside := w.inside && len(rest) == 0
	w.emit(b)
	w.next = Batch{Term: b.Term, Number: b.Number, Prev: b.Last, Inside: inside, Records: rest}
	w.whole = 0
}

// Beat is a batch that says how far the stream has come.
func (w *Writer) Beat() Batch {
	return Batch{Term: w.next.Term, Number: w.next.Number, Prev: w.next.Prev, Last: w.next.Prev}
}
