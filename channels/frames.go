package channels

import (
	"strconv"

	"walcast/policy"
	"walcast/protocol"
	"walcast/replication/wal"
)

// frameKey is everything that makes the bytes of a change's frame differ
// between receivers.
type frameKey struct {
	topic   *topic
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

// encoding is one data object of the change being sent.
type encoding struct {
	key  dataKey
	data []byte
}

// framesKept is how many frames of a change the table keeps its size for; a
// larger one is given back, as clearing it would cost every later change.
const framesKept = 1 << 10

// forget drops the frames of the change before.
func (d *delivery) forget() {
	if len(d.frames) > framesKept {
		d.frames = map[frameKey]*protocol.Frame{}
	} else {
		clear(d.frames)
	}
	d.encoded = d.encoded[:0]
}

// sendTo pushes a change to one channel: one frame for each set of columns that
// its bindings see.
func (d *delivery) sendTo(ch *channel, change *wal.Change) {
	d.payBefore(ch, change.Position)
	for i, b := range ch.hits {
		if b.columns.blocked {
			continue
		}
		if first := firstOf(ch.hits, b.columns); first != i {
			continue // in the frame of an earlier binding
		}
		key := frameKey{
			topic: ch.topic, version: ch.session.identity.Version, legacy: ch.config.legacy,
			ids: idsOf(ch.hits, b), data: dataKey{b.columns, d.showsOld(b, change)},
		}
		key.marked = key.version == protocol.SSE && isLast(ch.hits, i)
		d.hub.metrics.deliveries.WithLabelValues(protocol.EventPostgresChanges).Inc()
		ch.session.out.Push(d.frame(key, change))
	}
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

// showsOld says whether the subject may have the whole old row: it may where no
// row-level security applies, and where its policies, which the guard has, hold
// for the old row too. Otherwise it gets the key (decisions 12 and 15).
func (d *delivery) showsOld(b *binding, change *wal.Change) bool {
	if change.Old == nil || !b.view.RowSecurity {
		return true
	}
	if d.hub.policy.Verdict(b.view, b.subject) != policy.Compiled {
		return false
	}
	return d.hub.policy.SeesOld(change, b.subject)
}

// frame returns the frame for the key, built at most once for each change.
func (d *delivery) frame(key frameKey, change *wal.Change) *protocol.Frame {
	if f := d.frames[key]; f != nil {
		return f
	}
	data := d.data(key.data, change)
	var f *protocol.Frame
	switch {
	case key.marked:
		f = key.version.ChangesAt(change.Position.String(), key.topic.key.name, []byte(key.ids), data)
	case key.legacy:
		f = key.version.Push("", "", key.topic.key.name, change.Operation.String(), data)
	default:
		f = key.version.Changes(key.topic.key.name, []byte(key.ids), data)
	}
	f.Committed = change.CommitTime.UnixNano()
	d.hub.metrics.frames.Inc()
	d.frames[key] = f
	return f
}

// data returns the change's data object for the key, encoded at most once.
func (d *delivery) data(key dataKey, change *wal.Change) []byte {
	for i := range d.encoded {
		if d.encoded[i].key == key {
			return d.encoded[i].data
		}
	}
	if n := len(d.encoded); n < cap(d.encoded) {
		d.encoded = d.encoded[:n+1] // keeps the buffer of an earlier change
	} else {
		d.encoded = append(d.encoded, encoding{})
	}
	e := &d.encoded[len(d.encoded)-1]
	e.key = key
	e.data = appendData(e.data[:0], change, key, d.hub.config.MaxChangeBytes)
	return e.data
}

// idsOf lists the ids of the bindings that share b's columns, each once.
func idsOf(hits []*binding, b *binding) string {
	if len(hits) == 1 {
		return b.idText
	}
	ids := []byte{'['}
	for i, other := range hits {
		if other.columns != b.columns || repeats(hits[:i], other) {
			continue
		}
		if len(ids) > 1 {
			ids = append(ids, ',')
		}
		ids = strconv.AppendInt(ids, other.spec.ID, 10)
	}
	return string(append(ids, ']'))
}

func repeats(earlier []*binding, b *binding) bool {
	for _, e := range earlier {
		if e.spec.ID == b.spec.ID && e.columns == b.columns {
			return true
		}
	}
	return false
}

func idsText(id int64) string { return "[" + strconv.FormatInt(id, 10) + "]" }
