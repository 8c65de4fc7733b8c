package presence

import (
	"bytes"
	"container/list"
	"encoding/json"
	"slices"

	"walcast/protocol"
)

// ChannelID names a channel among those of this process.
type ChannelID uint64

// State holds the metas that are present on one topic, and which changes of them
// the clients have not been told. Changes collect until Flush, so that those
// that come close together travel as one diff. AppendState is the state that all
// diffs so far add up to, so a client that gets it and every later diff misses
// nothing.
//
// Keys and the metas of a key are in order of arrival. An update counts as an
// arrival, since clients put the new meta last too.
type State struct {
	tracked map[ChannelID]*listing
	keys    map[string]*list.Element // of *entry
	order   *list.List
	live    int // listings that are joining or present
	bytes   int // in memory
	length  int // of the payload of presence_state after the next flush

	changed  []*listing          // since the last flush
	reverted int                 // listings in changed whose change was taken back
	leaving  map[string]*listing // by ref

	encoded []byte // the presence_state payload, nil until somebody wants it
}

// entry is one key with its metas.
type entry struct {
	opening  []byte // `"key":{"metas":[`
	listings []*listing
	gone     bool // some listings are to be taken out
}

// listing is a meta in the list of its key.
type listing struct {
	meta    *Meta
	entry   *entry
	news    news
	holders uint16 // nodes that list it, 1 but while its client goes from one to another
}

// news is what clients have not been told of a listing.
type news uint8

const (
	known   news = iota // nothing: it is present, and they know
	joining             // that it is present
	leaving             // that it is not
	gone                // it came and went in between, or they know that it left
)

// What a listing and a key take beside their bytes: structs, and their part of
// maps and lists.
const (
	listingCost = 240
	keyCost     = 240
)

// NewState returns the state of a topic without metas.
func NewState() *State {
	return &State{
		tracked: map[ChannelID]*listing{}, keys: map[string]*list.Element{}, order: list.New(),
		leaving: map[string]*listing{},
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
// within the grace time: no client sees a change. It reports whether there was
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
func (s *State) Pending() bool { return len(s.changed) > s.reverted }

// Flush returns the net effect of all changes since the last flush: a meta that
// came and went in between is not mentioned, and of several updates the first
// leave and the last join remain. A meta's bytes never change, so the
// phx_ref_prev of a last join may name a ref that no client was told of, as it
// may in a presence_state.
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
	s.changed, s.reverted = nil, 0
	clear(s.leaving)
	if !d.Empty() {
		s.encoded = nil
	}
	return d
}

// Empty says that no meta is present, and that clients have been told so.
func (s *State) Empty() bool { return s.live == 0 && !s.Pending() }

// Len is the number of metas, those of other nodes included.
func (s *State) Len() int { return s.live }

// Bytes is about what the state holds in memory.
func (s *State) Bytes() int { return s.bytes + cap(s.encoded) }

// Length is how long the payload of presence_state is after the next flush, in
// bytes, or a little more.
func (s *State) Length() int { return len(protocol.EmptyObject) + s.length }

// LengthOf is a channel's part of Length, without its key.
func (s *State) LengthOf(id ChannelID) int {
	if p := s.tracked[id]; p != nil {
		return p.meta.length()
	}
	return 0
}

// Encoded is the payload of presence_state as of the last flush. Until the next
// flush every call returns the same bytes, which are read-only.
func (s *State) Encoded() []byte {
	if s.encoded == nil {
		s.encode()
	}
	return s.encoded
}

// AppendState writes what Encoded is.
func (s *State) AppendState(dst []byte) []byte { return append(dst, s.Encoded()...) }

func (s *State) encode() {
	s.encoded = append(make([]byte, 0, s.Length()), '{')
	for at := s.order.Front(); at != nil; at = at.Next() {
		e, first := at.Value.(*entry), true
		for _, p := range e.listings {
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
}

// insert puts the meta behind those of its key.
func (s *State) insert(m *Meta) *listing {
	s.live++
	s.length += m.length()
	if p := s.leaving[m.Ref]; p != nil { // its node went and came back, and clients know it
		delete(s.leaving, m.Ref)
		p.news, p.holders = known, 1
		s.revert()
		return p
	}
	at := s.keys[m.Key]
	if at == nil {
		e := &entry{opening: appendOpening(nil, m.Key)}
		at = s.order.PushBack(e)
		s.keys[m.Key] = at
		s.bytes += e.cost(m.Key)
		s.length += e.length()
	}
	e := at.Value.(*entry)
	p := &listing{meta: m, entry: e, news: joining, holders: 1}
	e.listings = append(e.listings, p)
	s.changed = append(s.changed, p)
	s.bytes += m.cost()
	return p
}

// remove is insert undone, once nobody lists the meta any more.
func (s *State) remove(p *listing) {
	if p.holders--; p.holders > 0 {
		return
	}
	s.live--
	s.length -= p.meta.length()
	if p.news == joining { // no client was told of it
		p.news, p.entry.gone = gone, true
		s.sweep(p.entry)
		s.revert()
		return
	}
	p.news = leaving
	s.leaving[p.meta.Ref] = p
	s.changed = append(s.changed, p)
}

// revert counts a changed listing that is again as clients know it. A client that
// tracks and untracks all the time must not make the list of changes long.
func (s *State) revert() {
	s.reverted++
	if s.reverted < 64 || s.reverted < len(s.changed)/2 {
		return
	}
	s.changed = slices.DeleteFunc(s.changed, func(p *listing) bool { return p.news == known || p.news == gone })
	s.reverted = 0
}

// sweep takes out the listings that are gone, and the entry with its last one.
func (s *State) sweep(e *entry) {
	e.gone = false
	key := ""
	e.listings = slices.DeleteFunc(e.listings, func(p *listing) bool {
		if p.news != gone {
			return false
		}
		key = p.meta.Key
		s.bytes -= p.meta.cost()
		return true
	})
	if len(e.listings) > 0 {
		return
	}
	s.bytes -= e.cost(key)
	s.length -= e.length()
	s.order.Remove(s.keys[key])
	delete(s.keys, key)
	if s.order.Len() == 0 {
		s.encoded = nil
	}
}

func (m *Meta) cost() int { return cap(m.JSON) + len(m.Ref) + listingCost }

func (e *entry) cost(key string) int { return len(key) + cap(e.opening) + keyCost }

// length is what a meta, or a key without metas, takes in the payload of
// presence_state, with a comma.
func (m *Meta) length() int { return len(m.JSON) + 1 }

func (e *entry) length() int { return len(e.opening) + len(closing) + 1 }
