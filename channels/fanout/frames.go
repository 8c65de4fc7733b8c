package fanout

import (
	"slices"
	"strconv"

	"walcast/policy"
	"walcast/protocol"
	"walcast/replication/wal"
)

// frames are the frames of the change being sent. Each is built at most once,
// and so is each data object in them. They are guarded by the lock of the
// delivery.
type frames struct {
	limit    int // bytes of a change's values above which long values are cut
	policy   *policy.Policy
	metrics  *metrics
	attached *attached
	change   *wal.Change
	byKey    map[frameKey]*protocol.Frame
	last     *protocol.Frame // the one that was asked for last, nil for none; it is of lastKey
	lastKey  frameKey
	objects  []dataObject
}

// frameKey is everything that makes the bytes of a change's frame differ
// between receivers.
type frameKey struct {
	topic   topicID // zero for event streams, whose frames say nothing of it
	version protocol.Version
	legacy  bool
	ids     string
	data    dataKey
	marked  bool // it carries the change's position, from which an event stream goes on
}

// dataKey is what makes a change's data object differ between receivers.
type dataKey struct {
	columns  *columnSet
	as       wal.Operation // what the change is to the receiver
	fullOld  bool          // the old row is shown in full, not only its key
	keyOnly  bool          // nothing but the key of the old row is shown: it has left a view
	snapshot bool          // it is a row of a snapshot
	whole    *wal.Change   // the change with values that the WAL lacks; nil for as it is there
}

// dataObject is one data object of the change.
type dataObject struct {
	key  dataKey
	data []byte
}

// framesKept is how many frames of a change the map keeps its size for. A
// larger map is replaced, as clearing it would cost every later change.
const framesKept = 1 << 10

func newFrames(f *Fanout, a *attached) *frames {
	return &frames{limit: f.config.MaxChangeBytes, policy: f.policy, metrics: f.metrics, attached: a, byKey: map[frameKey]*protocol.Frame{}}
}

// begin forgets the frames of the change before, if c is another one.
func (f *frames) begin(c *wal.Change) {
	if f.change == c {
		return
	}
	f.change, f.last = c, nil
	if len(f.byKey) > framesKept {
		f.byKey = map[frameKey]*protocol.Frame{}
	} else {
		clear(f.byKey)
	}
	f.objects = f.objects[:0]
}

// sendTo pushes a change to one subscription: one frame for each set of columns
// that its bindings see.
func (f *frames) sendTo(s *Subscription, c *wal.Change) {
	switch f.settle(s, c); len(s.hits) {
	case 0:
		return
	case 1:
		if b := s.hits[0].binding; !b.columns.blocked {
			f.push(s, c, f.dataOf(&s.hits[0], c), b.ids(), true)
		}
		return
	}
	s.noteOverlap(len(s.hits))
	groups := f.groupsOf(s.hits, c)
	for i, g := range groups {
		f.push(s, c, g.data, g.list(), i == len(groups)-1)
	}
}

// dataOf is which data object a hit gets.
func (f *frames) dataOf(h *hit, c *wal.Change) dataKey {
	key := dataKey{columns: h.binding.columns, as: h.as, keyOnly: h.isKeyOnly(), whole: h.whole}
	key.fullOld = !key.keyOnly && showsOld(f.policy, h.binding, c)
	return key
}

// push pushes the frame for some bindings that get the same data. isLast says that it is
// the last frame of the change for s: only that one may carry the change's position, as a
// client whose connection is cut between two frames of a change has not had all of it.
func (f *frames) push(s *Subscription, c *wal.Change, data dataKey, ids string, isLast bool) {
	version := s.request.Address.Version
	if s.unfinished.asks {
		s.unfinished.of = c.Position.LSN
		f.attached.note(s)
	}
	if s.request.Outbox.Ending() {
		return // it may take seconds until the subscription ends, and thousands end together
	}
	f.metrics.delivered.Inc()
	key := frameKey{version: version, legacy: s.request.Legacy, ids: ids, data: data, marked: version.IsStream() && isLast}
	if !version.IsStream() {
		key.topic = s.topic
	}
	s.request.Outbox.Push(f.of(c, key))
}

// of returns the change's frame for the key.
func (f *frames) of(c *wal.Change, key frameKey) *protocol.Frame {
	if f.last != nil && f.lastKey == key {
		return f.last // subscriptions that want the same stand together, and the map is slower
	}
	f.lastKey = key
	if f.last = f.byKey[key]; f.last == nil {
		f.last = f.build(c, key)
		f.byKey[key] = f.last
	}
	return f.last
}

// build makes the frame.
func (f *frames) build(c *wal.Change, key frameKey) *protocol.Frame {
	data, topic, position := f.data(c, key.data), "", ""
	if key.topic != (topicID{}) {
		topic = key.topic.Value().Name
	}
	if key.marked {
		position = c.Position.String()
	}
	var frame *protocol.Frame
	if key.legacy && !key.marked {
		frame = key.version.Push("", "", topic, key.data.as.String(), data)
	} else {
		frame = key.version.ChangesShared(position, topic, []byte(key.ids), data)
	}
	frame.Committed = c.CommitTime.UnixNano()
	f.metrics.frames.Inc()
	return frame
}

// data returns the change's data object for the key.
func (f *frames) data(c *wal.Change, key dataKey) []byte {
	for i := range f.objects {
		if f.objects[i].key == key {
			return f.objects[i].data
		}
	}
	if n := len(f.objects); n < cap(f.objects) {
		f.objects = f.objects[:n+1] // keeps the buffer of an earlier change
	} else {
		f.objects = append(f.objects, dataObject{})
	}
	e := &f.objects[len(f.objects)-1]
	e.key = key
	e.data = appendData(e.room(c), c, key, f.limit)
	if len(e.data) >= protocol.SharedFrom && cap(e.data) > len(e.data)*9/8 {
		e.data = slices.Clone(e.data) // frames keep all of its memory
	}
	return e.data
}

// room is where the data of a change are written: the buffer of an earlier change,
// unless that one's frames have it still, or this one's will.
func (e *dataObject) room(c *wal.Change) []byte {
	if cap(e.data) >= protocol.SharedFrom || c.Bytes >= protocol.SharedFrom {
		return make([]byte, 0, c.Bytes+1024)
	}
	return e.data[:0]
}

// hitGroup is hits of one change that share a frame, as their bindings get the same
// data.
type hitGroup struct {
	data dataKey
	ids  []byte // of the bindings, each once: "[1,2", without the closing bracket
	seen idSet
}

// groupsOf groups several hits by their data, in the order of the hits. Hits
// of which nothing may be shown are left out.
func (f *frames) groupsOf(hits []hit, c *wal.Change) (groups []*hitGroup) {
	of := map[dataKey]*hitGroup{}
	var last dataKey
	for i := range hits {
		h := &hits[i]
		if h.binding.columns.blocked {
			continue
		}
		if i == 0 || h.binding.columns != last.columns || h.as != last.as || h.keys != nil {
			last = f.dataOf(h, c)
		}
		g := of[last]
		if g == nil {
			g = &hitGroup{data: last, ids: []byte{'['}}
			of[last] = g
			groups = append(groups, g)
		}
		g.add(h.binding.Spec.ID)
	}
	return groups
}

func (g *hitGroup) add(id int64) {
	if !g.seen.add(id) {
		return
	}
	if len(g.ids) > 1 {
		g.ids = append(g.ids, ',')
	}
	g.ids = strconv.AppendInt(g.ids, id, 10)
}

// list is the ids as a frame has them.
func (g *hitGroup) list() string { return string(append(g.ids, ']')) }

// idSet is a set of binding ids. It is nearly always small, and may have
// thousands.
type idSet struct {
	few  [8]int64
	n    int
	many map[int64]struct{} // those beyond few
}

// add reports whether the set did not have the id before.
func (s *idSet) add(id int64) bool {
	if _, there := s.many[id]; there || slices.Contains(s.few[:s.n], id) {
		return false
	}
	if s.n < len(s.few) {
		s.few[s.n] = id
		s.n++
		return true
	}
	if s.many == nil {
		s.many = map[int64]struct{}{}
	}
	s.many[id] = struct{}{}
	return true
}
