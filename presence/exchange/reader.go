package exchange

import (
	"bytes"
	"errors"

	"walcast/internal/nodes"
	"walcast/presence"
)

// reader reads the parts of a message.
type reader struct{ nodes.Reader }

func (r *reader) digest() (d digest) {
	copy(d[:], r.Take(len(d)))
	return d
}

func (r *reader) part() (p part) {
	p.digest = r.digest()
	flags := r.Flags(flagPrivate | flagSame | flagMore | flagWhole)
	p.topic.Private, p.same = flags&flagPrivate != 0, flags&flagSame != 0
	p.more, p.stay = flags&flagMore != 0, r.Number()
	if p.same {
		return p
	}
	p.topic.Name = string(r.Text())
	d := &p.delta
	d.Whole = flags&flagWhole != 0
	p.index, d.Seq, d.Prev = r.Number(), r.Number(), r.Number()
	for range r.Count(1) {
		d.Leaves = append(d.Leaves, string(r.Text()))
	}
	for range r.Count(2) {
		d.Claims = append(d.Claims, presence.Claim{Ref: string(r.Text()), Moves: r.Small()})
	}
	for range r.Count(6) {
		if l := r.listed(); r.Err == nil {
			d.Joins = append(d.Joins, l)
		}
	}
	return p
}

func (r *reader) listed() (l presence.Listed) {
	key, ref := string(r.Text()), string(r.Text())
	moves, fields, client := r.Small(), r.Small(), r.Small()
	text := bytes.Clone(r.Text()) // the message is much longer
	if r.Err != nil {
		return l
	}
	meta, err := presence.Received(key, ref, text, fields, client)
	if err != nil {
		r.Fail(err)
	}
	return presence.Listed{Meta: meta, Moves: moves}
}

func (r *reader) asked() (all []entry) {
	for r.Err == nil && len(r.Rest) > 0 {
		all = append(all, entry{digest: r.digest(), known: r.Flags(1) != 0, seq: r.Fixed(), stay: r.Fixed()})
	}
	return all
}

func (r *reader) summary() (s summary) {
	s.bye = r.Flags(1) != 0
	s.Number, s.From = r.Fixed(), r.Fixed()
	for r.Err == nil && len(r.Rest) > 0 {
		s.News = append(s.News, nodes.News[digest]{Topic: r.digest(), Number: r.Fixed()})
	}
	if s.From > s.Number {
		r.Fail(errors.New("a summary that is damaged"))
	}
	return s
}
