package exchange

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"

	"walcast/presence"
)

// reader reads the parts of a message. After an error it reads nothing.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err, r.rest = err, nil
	}
}

// take is the next bytes.
func (r *reader) take(length int) []byte {
	if length > len(r.rest) {
		r.fail(errCut)
		return make([]byte, length)
	}
	taken := r.rest[:length]
	r.rest = r.rest[length:]
	return taken
}

func (r *reader) number() uint64 {
	n, length := binary.Uvarint(r.rest)
	if length <= 0 {
		r.fail(errCut)
		return 0
	}
	r.rest = r.rest[length:]
	return n
}

func (r *reader) small() uint32 {
	n := r.number()
	if n > math.MaxUint32 {
		r.fail(errors.New("a number that is too large"))
	}
	return uint32(n)
}

func (r *reader) text() []byte {
	length := r.number()
	if length > uint64(len(r.rest)) {
		r.fail(errCut)
		return nil
	}
	return r.take(int(length))
}

// count is that of a list, of which each element has so many bytes at least.
func (r *reader) count(least int) int {
	n := r.number()
	if n > uint64(len(r.rest)/least) {
		r.fail(errCut)
		return 0
	}
	return int(n)
}

func (r *reader) digest() (d digest) {
	copy(d[:], r.take(len(d)))
	return d
}

func (r *reader) flags(most byte) byte {
	flags := r.take(1)[0]
	if flags > most {
		r.fail(errors.New("unknown flags"))
	}
	return flags
}

func (r *reader) fixed() uint64 { return binary.BigEndian.Uint64(r.take(8)) }

func (r *reader) part() (p part) {
	p.digest = r.digest()
	flags := r.flags(flagPrivate | flagSame | flagMore | flagWhole)
	p.topic.Private, p.same = flags&flagPrivate != 0, flags&flagSame != 0
	p.more = flags&flagMore != 0
	if p.same {
		return p
	}
	p.topic.Name = string(r.text())
	d := &p.delta
	d.Whole = flags&flagWhole != 0
	p.index, d.Seq, d.Prev = r.number(), r.number(), r.number()
	for range r.count(1) {
		d.Leaves = append(d.Leaves, string(r.text()))
	}
	for range r.count(2) {
		d.Claims = append(d.Claims, presence.Claim{Ref: string(r.text()), Moves: r.small()})
	}
	for range r.count(6) {
		if l := r.listed(); r.err == nil {
			d.Joins = append(d.Joins, l)
		}
	}
	return p
}

func (r *reader) listed() (l presence.Listed) {
	key, ref := string(r.text()), string(r.text())
	moves, fields, client := r.small(), r.small(), r.small()
	text := bytes.Clone(r.text()) // the message is much longer
	if r.err != nil {
		return l
	}
	meta, err := presence.Received(key, ref, text, fields, client)
	if err != nil {
		r.fail(err)
	}
	return presence.Listed{Meta: meta, Moves: moves}
}

func (r *reader) asked() (all []entry) {
	for r.err == nil && len(r.rest) > 0 {
		all = append(all, entry{digest: r.digest(), known: r.flags(1) != 0, seq: r.fixed()})
	}
	return all
}

func (r *reader) summary() (s summary) {
	s.bye = r.flags(1) != 0
	s.number, s.from = r.fixed(), r.fixed()
	for r.err == nil && len(r.rest) > 0 {
		s.news = append(s.news, news{topic: r.digest(), number: r.fixed()})
	}
	if s.from > s.number {
		r.fail(errors.New("a summary that is damaged"))
	}
	return s
}
