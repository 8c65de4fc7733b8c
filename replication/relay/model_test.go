package relay

import (
	"cmp"
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"walcast/replication/wal"
)

var (
	seeds = flag.Int("seeds", 1000, "how many random clusters are simulated")
	seed  = flag.Uint64("seed", 0, "the first of them")
)

// world is a cluster made of values: a WAL, nodes of which one reads it, and a bus that
// loses, doubles and delays.
type world struct {
	t     *testing.T
	r     *rand.Rand
	wal   []transaction
	nodes []*modelNode
	terms int64
	now   time.Time
	trace []string
	quiet bool // batches are of whole transactions
}

// transaction changes a table, which may be altered before.
type transaction struct {
	end     wal.LSN
	table   uint32
	version byte // of the table
	rows    int
}

// modelNode is a node, and what it has made of what came.
type modelNode struct {
	name  int
	place Place
	store *Store
	bus   []Batch // that have not come yet

	writer *Writer // of the node while it reads, or believes so
	next   int     // the transaction that it reads next
	sent   map[uint32]byte
	rows   int // of the transaction that have been read

	decoder   map[uint32]byte // versions of tables
	open, got int             // the transaction that is being decoded, and its rows
	head      int             // transactions that the node has completely
	began     bool
	resyncs   int
}

const none = -1

func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	trace := w.trace[max(0, len(w.trace)-60):]
	for _, n := range w.nodes {
		oldest := "nothing"
		if len(n.store.list) > 0 {
			oldest = fmt.Sprintf("%d/%d", n.store.list[0].batch.Term.At, n.store.list[0].batch.Number)
		}
		trace = append(trace, fmt.Sprintf("\nnode %d: %+v, reads %v, keeps %d from %s, learnt %d/%d", n.name, n.place, n.writer != nil, len(n.store.list), oldest, n.store.before.last.Term.At, n.store.before.last.Number))
	}
	w.t.Fatalf("%s: "+format+"\n%v", append(append([]any{w.trace[0]}, args...), trace)...)
}

func (w *world) note(format string, args ...any) {
	w.trace = append(w.trace, "\n"+fmt.Sprintf(format, args...))
}

// end is where the WAL ended before a transaction.
func (w *world) end(i int) wal.LSN {
	if i == 0 {
		return 100
	}
	return w.wal[i-1].end
}

func (w *world) commit() {
	n := len(w.wal)
	x := transaction{end: w.end(n) + wal.LSN(8*(1+w.r.IntN(3))), table: uint32(w.r.IntN(3)), rows: w.r.IntN(4)}
	for _, before := range w.wal {
		if before.table == x.table {
			x.version = before.version
		}
	}
	if w.r.IntN(5) == 0 {
		x.version++
	}
	w.wal = append(w.wal, x)
}

func (w *world) join() {
	w.nodes = append(w.nodes, &modelNode{name: len(w.nodes), store: w.newStore(), open: none, head: none})
}

func (w *world) newStore() *Store {
	return NewStore(Config{Bytes: int64(500 + w.r.IntN(5000)), Window: time.Minute})
}

// takeOver has a node read the slot from where it has come.
func (w *world) takeOver(n *modelNode) {
	w.terms++
	n.next = 0
	for n.next < len(w.wal) && w.wal[n.next].end <= n.place.UpTo {
		n.next++
	}
	from := n.place.UpTo
	if !n.began {
		from, n.began, n.head = 100, true, 0
		n.next = 0
	}
	w.note("node %d reads from %s, term %d", n.name, from, w.terms)
	n.rows, n.sent, n.open = 0, map[uint32]byte{}, none
	n.writer = NewWriter(Term{Begun: w.end(len(w.wal)), At: w.terms}, from, opening, func(b Batch) {
		if n.isReader(w) { // else what it sends has been read by the next one, too
			n.place = n.place.After(b)
			n.head = max(n.head, w.index(n.place.UpTo))
		}
		n.store.Add(w.now, b)
		w.publish(n, b)
	})
}

// index is how many transactions are before an LSN.
func (w *world) index(upTo wal.LSN) (n int) {
	for n < len(w.wal) && w.wal[n].end <= upTo {
		n++
	}
	return n
}

// isReader reports whether no other node reads by now.
func (n *modelNode) isReader(w *world) bool {
	return n.writer != nil && n.writer.next.Term.At == w.terms
}

// publish has a batch on its way to all others, or lost.
func (w *world) publish(from *modelNode, b Batch) {
	for _, n := range w.nodes {
		if n == from {
			continue
		}
		for range []int{0, 1, 1, 1, 1, 1, 1, 2}[w.r.IntN(8)] {
			n.bus = append(n.bus, b)
			if k := len(n.bus); k > 1 && w.r.IntN(10) == 0 {
				n.bus[k-1], n.bus[k-2] = n.bus[k-2], n.bus[k-1]
			}
		}
	}
}

// read has a node read the next message of the WAL.
func (w *world) read(n *modelNode) {
	if n.next >= len(w.wal) {
		n.writer.Flush()
		return
	}
	x := w.wal[n.next]
	key := binary.BigEndian.AppendUint32(nil, x.table)
	version, isSent := n.sent[x.table]
	switch {
	case n.rows == 0:
		n.writer.Message(binary.BigEndian.AppendUint32([]byte{'B'}, uint32(n.next)), 0)
		n.rows++
	case n.rows <= x.rows && (!isSent || version != x.version):
		n.writer.Message(append(append([]byte{'R'}, key...), x.version), 0)
		n.sent[x.table] = x.version
	case n.rows <= x.rows:
		n.writer.Message(append(append([]byte{'I'}, key...), x.version), 0)
		n.rows++
	default:
		n.writer.Message(binary.BigEndian.AppendUint32([]byte{'C'}, uint32(n.next)), x.end)
		n.next, n.rows = n.next+1, 0
	}
	if !w.quiet && w.r.IntN(4) == 0 {
		n.writer.cut(len(n.writer.next.Records)) // as if much had come
	}
}

// receive has the next batch come to a node that follows.
func (w *world) receive(n *modelNode) {
	if len(n.bus) == 0 {
		return
	}
	b := n.bus[0]
	n.bus = n.bus[1:]
	if n.place.Judge(b) == Hole {
		w.fill(n, b)
	}
	if n.place.Judge(b) == Take {
		w.take(n, b)
	}
}

// fill asks the other nodes in any order.
func (w *world) fill(n *modelNode, before Batch) {
	for anew := 0; anew < MostAnew; {
		choice := Choice{Place: n.place}
		order := w.r.Perm(len(w.nodes))
		if w.quiet { // then the reader is known, and is asked first
			slices.SortStableFunc(order, func(i, j int) int {
				return cmp.Compare(btoi(!w.nodes[i].isReader(w)), btoi(!w.nodes[j].isReader(w)))
			})
		}
		for _, i := range order {
			if other := w.nodes[i]; other != n {
				a, err := DecodeAnswer(other.store.Answer(Question{n.place}).Encode())
				if err != nil {
					w.fail("answer of node %d: %v", other.name, err)
				}
				if choice.Offer(a) {
					break
				}
			}
		}
		a, isGap := choice.Best()
		if a == nil {
			return
		}
		if choice.IsAnew() {
			anew++
		}
		if isGap {
			w.note("node %d resyncs at %s", n.name, a.Batches[0].Prev)
			n.resyncs++
			n.place, n.began = Place{}, false
		}
		for i, b := range a.Batches {
			if i > 0 && n.place.Judge(b) != Take {
				break
			}
			w.take(n, b)
		}
		if n.place.Judge(before) != Hole {
			return
		}
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// take decodes a batch, and wants it to be what the WAL has next.
func (w *world) take(n *modelNode, b Batch) {
	w.note("node %d takes %d/%d from %s to %s, inside %v, prelude %v", n.name, b.Term.At, b.Number, b.Prev, b.Last, b.Inside, b.Prelude)
	n.store.Add(w.now, b)
	err := b.Each(func(kind byte, payload []byte) error {
		if kind == KindOpening {
			n.decoder, n.open = map[uint32]byte{}, none
			if !n.began {
				n.began, n.head = true, w.index(b.Prev)
			}
			return nil
		}
		at := int(binary.BigEndian.Uint32(payload[1:]))
		switch payload[0] {
		case 'R':
			n.decoder[uint32(at)] = payload[5]
		case 'B':
			if n.open != none {
				w.fail("node %d: transaction %d begins inside of %d", n.name, at, n.open)
			}
			if at > n.head {
				w.fail("node %d: transaction %d comes where %d is next", n.name, at, n.head)
			}
			n.open, n.got = at, 0
		case 'I':
			if version, ok := n.decoder[uint32(at)]; !ok || version != payload[5] {
				w.fail("node %d: a row of table %d as of %d, and the decoder knows %d, %v", n.name, at, payload[5], version, ok)
			}
			n.got++
		case 'C':
			if n.open != at || n.got != w.wal[at].rows {
				w.fail("node %d: transaction %d ends with %d rows, and %d is open; want %d rows", n.name, at, n.got, n.open, w.wal[at].rows)
			}
			n.head, n.open = max(n.head, at+1), none
		}
		return nil
	})
	if err != nil {
		w.fail("node %d: %v", n.name, err)
	}
	if n.place = n.place.After(b); w.index(n.place.UpTo) != n.head {
		w.fail("node %d: has come to %s, and has %d transactions", n.name, n.place.UpTo, n.head)
	}
}

// step does something at random.
func (w *world) step() {
	n := w.nodes[w.r.IntN(len(w.nodes))]
	switch p := w.r.IntN(100); {
	case p < 15:
		w.commit()
	case p < 60 && n.writer != nil: // the reader, or one that was frozen
		w.read(n)
	case p < 64 && n.writer != nil:
		w.publish(n, n.writer.Beat())
	case p < 95 && n.writer == nil:
		w.receive(n)
	case p == 95 && len(w.nodes) < 5:
		w.join()
	case p == 96 && n.began && n.writer == nil:
		w.takeOver(n)
	case p == 97 && n.writer != nil && !n.isReader(w): // it wakes up, sees the other, and begins anew
		*n = modelNode{name: n.name, store: w.newStore(), open: none, head: none}
	case p == 98:
		w.now = w.now.Add(time.Duration(w.r.IntN(20)) * time.Second)
		n.store.Expire(w.now)
	}
}

// TestModel has every node have all of the WAL in the end, each transaction whole and
// in order, whatever happened to the bus and whoever read.
func TestModel(t *testing.T) {
	resyncs := 0
	for s := *seed; s < *seed+uint64(*seeds); s++ {
		w := &world{t: t, r: rand.New(rand.NewPCG(s, 0)), now: start, trace: []string{fmt.Sprintf("seed %d", s)}}
		for range 3 {
			w.join()
		}
		w.takeOver(w.nodes[0])
		for range 400 {
			w.step()
		}
		w.settle()
		for _, n := range w.nodes {
			resyncs += n.resyncs
			if n.writer == nil && n.head != len(w.wal) {
				w.fail("node %d has %d of %d transactions in the end, up to %s", n.name, n.head, len(w.wal), n.place.UpTo)
			}
		}
	}
	t.Logf("%d clusters, %d resyncs", *seeds, resyncs)
}

// settle has the reader read all, and all messages come.
func (w *world) settle() {
	for _, n := range w.nodes {
		if n.writer != nil && !n.isReader(w) {
			*n = modelNode{name: n.name, store: w.newStore(), open: none, head: none}
		}
	}
	for _, n := range w.nodes {
		for n.writer != nil && n.next < len(w.wal) {
			w.read(n)
		}
		if n.writer != nil {
			n.writer.Flush()
			w.quiet = true
			w.commit()
			for n.next < len(w.wal) {
				w.read(n)
			}
			n.writer.Flush()
			for _, other := range w.nodes {
				if other != n {
					other.bus = append(other.bus, n.writer.Beat())
				}
			}
		}
	}
	for _, n := range w.nodes {
		for n.writer == nil && len(n.bus) > 0 {
			w.receive(n)
		}
	}
}
