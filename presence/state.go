package presence

import (
	"bytes"
	"container/list"
	"encoding/json"
	"slices"
)

// ChannelID names a channel among those of this process.
type ChannelID uint64

// State is who is present on one topic, and what of it the clients have not
// been told. Changes collect until Flush, so that those that come close
// together travel as one diff; AppendState is the state that all diffs so far
// add up to, so a newcomer who gets it and every later diff misses nothing.
//
// Keys and the metas of a key are in order of arrival. An update counts as an
// arrival, since clients put the new meta last too.
type State struct {
	tracked map[ChannelID]*place
	keys    map[string]*list.Element // of *entry
	order   *list.List
	live    int // places that are joining or present
	bytes   int

	changed []*place          // since the last flush
	settled int               // places in changed that have no news after all
	leaving map[string]*place // by ref

	// encoded is the presence_state payload while fresh. It is private, so that
	// its memory is used again.
	encoded []byte
	fresh   bool
}

// entry is one key with its metas.
type entry struct {
	opening []byte // `"key":{"metas":[`
	places  []*place
	gone    bool // some places are to be taken out
}

// place is a meta's place in the state.
type place struct {
	meta  *Meta
	entry *entry
	news  news
}

// news is what clients have not been told of a place.
type news uint8

const (
	known   news = iota // nothing: it is present, and they know
	joining             // that it is present
	leaving             // that it is not
	gone                // it came and went in between, or they know that it left
)

// What a place and a key take beside their bytes: structs, map and list places.
const (
	placeCost = 240
	keyCost   = 240
)

// NewState returns the state of a topic where nobody is.
func NewState() *State {
	return &State{
		tracked: map[ChannelID]*place{}, keys: map[string]*list.Element{}, order: list.New(),
		leaving: map[string]*place{},
	}
}

// Track sets what a channel tracks under its key; an absent payload is {}. The
// payload is copied. Tracking the same payload again changes nothing, another
// one replaces the channel's meta. ref must be new; it is not used up when
// nothing changes. The only error is ErrPayload.
func (s *State) Track(id ChannelID, key string, payload json.RawMessage, ref string) error {
	_, _, err := s.track(id, key, payload, ref)
	return err
}

// track also returns the meta that left and the one that joined, if any.
func (s *State) track(id ChannelID, key string, payload json.RawMessage, ref string) (left, joined *Meta, err error) {
	old := s.tracked[id]
	prev := ""
	if old != nil {
		left, prev = old.meta, old.meta.Ref
	}
	joined, err = newMeta(key, payload, ref, prev)
	if err != nil || old != nil && left.Key == key && left.tracks(joined) {
		return nil, nil, err
	}
	if old != nil {
		s.remove(old)
	}
	s.tracked[id] = s.insert(joined)
	return left, joined, nil
}

// Untrack removes what the channel tracks, if anything. It is due when a
// channel ends for whatever reason.
func (s *State) Untrack(id ChannelID) { s.untrack(id) }

// untrack also returns the meta that left, if any.
func (s *State) untrack(id ChannelID) *Meta {
	old := s.tracked[id]
	if old == nil {
		return nil
	}
	delete(s.tracked, id)
	s.remove(old)
	return old.meta
}

// Adopt hands what one channel tracks to another, as when a client is back
// within the grace time: nobody sees a change. It reports whether there was
// anything to hand over; the new channel must not track yet.
func (s *State) Adopt(from, to ChannelID) bool {
	p := s.tracked[from]
	if p == nil || s.tracked[to] != nil {
		return false
	}
	delete(s.tracked, from)
	s.tracked[to] = p
	return true
}

// Tracks reports whether a channel tracks a payload that is spelled the same.
func (s *State) Tracks(id ChannelID, payload json.RawMessage) bool {
	p := s.tracked[id]
	if p == nil {
		return false
	}
	fields := bytes.TrimPrefix(p.meta.JSON[p.meta.fields:], []byte{','})
	if len(payload) == 0 {
		return string(fields) == "}"
	}
	return bytes.Equal(fields, payload[1:])
}

// Size is about what a channel's part of the state holds in memory.
func (s *State) Size(id ChannelID) int {
	if p := s.tracked[id]; p != nil {
		return p.meta.cost()
	}
	return 0
}

// Pending says that Flush has something to tell.
func (s *State) Pending() bool { return len(s.changed) > s.settled }

// Flush returns the net effect of all changes since the last flush: who came
// and went in between is not mentioned, and of several updates the first leave
// and the last join remain. A meta's bytes never change, so the phx_ref_prev
// of a last join may name a ref that nobody was told of, as it may in a
// presence_state.
func (s *State) Flush() (d Diff) {
	for _, p := range s.changed {
		switch p.news {
		case joining:
			p.news = known
			d.joins = append(d.joins, p.meta)
		case leaving:
			p.news, p.entry.gone = gone, true
			d.leaves = append(d.leaves, p.meta)
		}
	}
	for _, p := range s.changed {
		if p.entry.gone {
			s.sweep(p.entry)
		}
	}
	s.changed, s.settled = nil, 0
	clear(s.leaving)
	s.fresh = s.fresh && d.Empty()
	return d
}

// Empty says that nobody is present, and that everybody knows.
func (s *State) Empty() bool { return s.live == 0 && !s.Pending() }

// Len is the number of metas, those of other nodes included.
func (s *State) Len() int { return s.live }

// Bytes is about what the state holds in memory.
func (s *State) Bytes() int { return s.bytes + cap(s.encoded) }

// AppendState writes the payload of presence_state as of the last flush. It is
// one copy unless it is the first since then.
func (s *State) AppendState(dst []byte) []byte {
	if !s.fresh {
		s.encode()
	}
	return append(dst, s.encoded...)
}

func (s *State) encode() {
	s.encoded = append(s.encoded[:0], '{')
	for at := s.order.Front(); at != nil; at = at.Next() {
		e, first := at.Value.(*entry), true
		for _, p := range e.places {
			if p.news == joining {
				continue
			}
			if first {
				s.encoded = append(separate(s.encoded), e.opening...)
				first = false
			}
			s.encoded = append(separate(s.encoded), p.meta.JSON...)
		}
		if !first {
			s.encoded = append(s.encoded, closing...)
		}
	}
	s.encoded = append(s.encoded, '}')
	s.fresh = true
}

// insert puts the meta behind those of its key.
func (s *State) insert(m *Meta) *place {
	s.live++
	if p := s.leaving[m.Ref]; p != nil { // its node went and came back: nobody need know
		delete(s.leaving, m.Ref)
		p.news = known
		s.settle()
		return p
	}
	at := s.keys[m.Key]
	if at == nil {
		e := &entry{opening: appendOpening(nil, m.Key)}
		at = s.order.PushBack(e)
		s.keys[m.Key] = at
		s.bytes += e.cost(m.Key)
	}
	e := at.Value.(*entry)
	p := &place{meta: m, entry: e, news: joining}
	e.places = append(e.places, p)
	s.changed = append(s.changed, p)
	s.bytes += m.cost()
	return p
}

// remove is insert undone.
func (s *State) remove(p *place) {
	s.live--
	if p.news == joining { // nobody has heard of it
		p.news, p.entry.gone = gone, true
		s.sweep(p.entry)
		s.settle()
		return
	}
	p.news = leaving
	s.leaving[p.meta.Ref] = p
	s.changed = append(s.changed, p)
}

// settle counts a changed place that is as clients know it. Clients who flip
// on and off must not make the list long.
func (s *State) settle() {
	s.settled++
	if s.settled < 64 || s.settled < len(s.changed)/2 {
		return
	}
	s.changed = slices.DeleteFunc(s.changed, func(p *place) bool { return p.news == known || p.news == gone })
	s.settled = 0
}

// sweep takes out the places that are gone, and the entry with its last one.
func (s *State) sweep(e *entry) {
	e.gone = false
	key := ""
	e.places = slices.DeleteFunc(e.places, func(p *place) bool {
		if p.news != gone {
			return false
		}
		key = p.meta.Key
		s.bytes -= p.meta.cost()
		return true
	})
	if len(e.places) > 0 {
		return
	}
	s.bytes -= e.cost(key)
	s.order.Remove(s.keys[key])
	delete(s.keys, key)
	if s.order.Len() == 0 {
		s.encoded, s.fresh = nil, false
	}
}

func (m *Meta) cost() int { return cap(m.JSON) + len(m.Ref) + placeCost }

func (e *entry) cost(key string) int { return len(key) + cap(e.opening) + keyCost }
