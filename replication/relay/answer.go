package relay

import (
	"encoding/binary"
	"fmt"
	"slices"

	"walcast/internal/nodes"
	"walcast/replication/wal"
)

// Question asks another node what comes after a place.
type Question struct{ Place Place }

const questionSize = termSize + 2*8

// Encode is the question as it is sent.
func (q Question) Encode() []byte {
	e := q.Place.Term.append(nil)
	e = binary.BigEndian.AppendUint64(e, q.Place.Number)
	return binary.BigEndian.AppendUint64(e, uint64(q.Place.UpTo))
}

// DecodeQuestion reads what Encode writes.
func DecodeQuestion(message []byte) (q Question, err error) {
	if len(message) != questionSize {
		return q, fmt.Errorf("read question of a node: it has %d bytes", len(message))
	}
	at := func(i int) uint64 { return binary.BigEndian.Uint64(message[termSize+8*i:]) }
	q.Place = Place{Term: termOf(message), Number: at(0), UpTo: wal.LSN(at(1))}
	return q, nil
}

// Answer is what a node has after a place.
type Answer struct {
	// Gap says that the batches begin behind the place: what lies between, this node
	// has no more.
	Gap bool
	// UpTo is up to where this node has everything, and Newest the stream that it has come
	// to.
	UpTo    wal.LSN
	Newest  Term
	Batches []Batch // none if there are none after the place
}

// mostAnswer is how many bytes of batches are in an answer, beside the first.
const mostAnswer = 400 << 10

// Answer says what comes after a place, as far as it fits into one answer.
func (s *Store) Answer(q Question) (a Answer) {
	if len(s.list) == 0 {
		return a
	}
	newest := s.list[len(s.list)-1].batch
	a.UpTo, a.Newest = newest.Last, newest.Term
	from, anew := s.seek(q.Place)
	if from == len(s.list) {
		return a
	}
	if anew {
		a.Gap = q.Place.UpTo != 0 && s.list[0].batch.Prev > q.Place.UpTo
		if !s.list[0].batch.begins() {
			a.Batches = append(a.Batches, s.before.batch(s.list[0].batch))
		}
	}
	size := 0
	for _, e := range s.list[from:] {
		if size += len(e.batch.Records); size > mostAnswer && size > len(e.batch.Records) {
			return a
		}
		a.Batches = append(a.Batches, e.batch)
	}
	return a
}

// seek finds the first batch that a node at a place can go on with. With anew that is
// the oldest that there is. It is the length of the list if none comes after the place.
func (s *Store) seek(p Place) (from int, anew bool) {
	none := len(s.list)
	last := s.list[none-1].batch
	switch c := last.Term.Compare(p.Term); {
	case c < 0, c == 0 && last.Number <= p.Number:
		return none, false // the place is this node's own, or ahead of it
	}
	if p.Number > 0 {
		next := func(e entry) bool { return e.batch.Term == p.Term && e.batch.Number == p.Number+1 }
		if i := slices.IndexFunc(s.list, next); i >= 0 {
			return i, false
		}
	}
	for i, e := range slices.Backward(s.list) {
		if e.batch.begins() && p.UpTo > 0 && e.batch.Prev <= p.UpTo && e.batch.Term.Compare(p.Term) > 0 {
			return i, false
		}
	}
	return 0, true
}

const answerHeader = 1 + 8 + termSize

// Encode is the answer as it is sent.
func (a Answer) Encode() []byte {
	e := []byte{0}
	if a.Gap {
		e[0] = 1
	}
	e = binary.BigEndian.AppendUint64(e, uint64(a.UpTo))
	e = a.Newest.append(e)
	for _, b := range a.Batches {
		message := b.Encode()
		e = append(binary.AppendUvarint(e, uint64(len(message))), message...)
	}
	return e
}

// DecodeAnswer reads what Encode writes. The batches refer to the message.
func DecodeAnswer(message []byte) (a Answer, err error) {
	if len(message) < answerHeader || message[0] > 1 {
		return a, fmt.Errorf("read answer of a node: %w", nodes.ErrCut)
	}
	a.Gap, a.UpTo = message[0] == 1, wal.LSN(binary.BigEndian.Uint64(message[1:]))
	a.Newest = termOf(message[9:])
	for rest := message[answerHeader:]; len(rest) > 0; {
		size, n := binary.Uvarint(rest)
		if n <= 0 || size > uint64(len(rest)-n) {
			return Answer{}, fmt.Errorf("read answer of a node: %w", nodes.ErrCut)
		}
		b, err := DecodeBatch(rest[n:][:size])
		if err != nil {
			return Answer{}, err
		}
		a.Batches = append(a.Batches, b)
		rest = rest[n+int(size):]
	}
	return a, nil
}

// Choice finds of several answers the one to go on with.
type Choice struct {
	Place Place // that was asked for

	found, gap *Answer
}

// Offer takes an answer in. It is done when no other can be better.
func (c *Choice) Offer(a Answer) (done bool) {
	switch {
	case len(a.Batches) == 0:
		return false
	case a.Gap:
		if c.gap == nil || a.Batches[0].Prev < c.gap.Batches[0].Prev {
			c.gap = &a
		}
		return false
	case !c.Place.goesOnWith(a):
		return false
	}
	c.found = &a
	return true
}

// IsAnew reports whether the best answer goes back to what the node has already.
func (c *Choice) IsAnew() bool {
	a, _ := c.Best()
	return a != nil && c.Place.Judge(a.Batches[0]) != Take
}

// MostAnew is how often a node goes back, while it fills one hole, at most: nodes that
// have different parts could send it from one to the other.
const MostAnew = 3

// Best is the answer to go on with, nil if there is none. Where isGap, no answer has
// what comes next.
func (c *Choice) Best() (a *Answer, isGap bool) {
	if c.found == nil && c.gap != nil && c.gap.Newest.Compare(c.Place.Term) >= 0 {
		return c.gap, true
	}
	return c.found, false
}
