package fanout

import (
	"slices"
	"strconv"

	"walcast/protocol"
	"walcast/replication/wal"
)

// frames are those of the change being sent: each is built at most once, and so
// is each data object in them.
type frames struct {
	limit   int // bytes of a change's values above which long ones are cut
	metrics *metrics
	change  *wal.Change
	byKey   map[frameKey]*protocol.Frame
	encoded []encoding
}

// frameKey is everything that makes the bytes of a change's frame differ
// between receivers.
type frameKey struct {
	topic   topicID
	version protocol.Version
	legacy  bool
	ids     string
	data    dataKey
	marked  bool // an event stream goes on after it at the change's position
}

// dataKey is what makes a change's data object differ.
type dataKey struct {
	columns *columnSet
	fullOld bool // the old row is shown in full, not only its key
}

// encoding is one data object of the change.
type encoding struct {
	key  dataKey
	data []byte
}

// framesKept is how many frames of a change the table keeps its size for; a
// larger one is given back, as clearing it would cost every later change.
const framesKept = 1 << 10

// begin drops the frames of another change.
func (f *frames) begin(c *wal.Change) {
	if f.change == c {
		return
	}
	f.change = c
	if len(f.byKey) > framesKept {
		f.byKey = map[frameKey]*protocol.Frame{}
	} else {
		clear(f.byKey)
	}
	f.encoded = f.encoded[:0]
}

// of returns the change's frame for the key.
func (f *frames) of(c *wal.Change, key frameKey) *protocol.Frame {
	if frame := f.byKey[key]; frame != nil {
		return frame
	}
	data, topic := f.data(c, key.data), key.topic.Value().Name
	var frame *protocol.Frame
	switch {
	case key.marked:
		frame = key.version.ChangesAt(c.Position.String(), topic, []byte(key.ids), data)
	case key.legacy:
		frame = key.version.Push("", "", topic, c.Operation.String(), data)
	default:
		frame = key.version.Changes(topic, []byte(key.ids), data)
	}
	frame.Committed = c.CommitTime.UnixNano()
	f.metrics.frames.Inc()
	f.byKey[key] = frame
	return frame
}

// data returns the change's data object for the key.
func (f *frames) data(c *wal.Change, key dataKey) []byte {
	for i := range f.encoded {
		if f.encoded[i].key == key {
			return f.encoded[i].data
		}
	}
	if n := len(f.encoded); n < cap(f.encoded) {
		f.encoded = f.encoded[:n+1] // keeps the buffer of an earlier change
	} else {
		f.encoded = append(f.encoded, encoding{})
	}
	e := &f.encoded[len(f.encoded)-1]
	e.key = key
	e.data = appendData(e.data[:0], c, key, f.limit)
	return e.data
}

// idsOf lists the ids of the bindings that share b's columns, each once.
func idsOf(hits []*binding, b *binding) string {
	if len(hits) == 1 {
		return b.ids()
	}
	b.subscription.crowded(len(hits))
	ids := []byte{'['}
	seen := idSet{}
	for _, other := range hits {
		if other.columns != b.columns || !seen.add(other.Spec.ID) {
			continue
		}
		if len(ids) > 1 {
			ids = append(ids, ',')
		}
		ids = strconv.AppendInt(ids, other.Spec.ID, 10)
	}
	return string(append(ids, ']'))
}

// idSet is ids, of which there are nearly always few and may be thousands.
type idSet struct {
	few  [8]int64
	n    int
	many map[int64]struct{} // when there are more than few
}

// add reports whether the id was not there.
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

// isLast says whether no later hit than the one at i makes a frame of its own:
// who is cut between two frames of a change has not had the change.
func isLast(hits []*binding, i int) bool {
	for j := i + 1; j < len(hits); j++ {
		if !hits[j].columns.blocked && firstOf(hits, hits[j].columns) == j {
			return false
		}
	}
	return true
}

func firstOf(hits []*binding, set *columnSet) int {
	for i, b := range hits {
		if b.columns == set {
			return i
		}
	}
	return -1
}
