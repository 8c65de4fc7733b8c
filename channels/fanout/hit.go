package fanout

import (
	"walcast/diagnose"
	"walcast/replication/wal"
)

// hit is a binding for which a change is sent.
type hit struct {
	binding *binding
	as      wal.Operation // what the change is to the binding
	holds   bool          // of a view: the row is among its rows after the change
	keys    *changeKeys   // of the change, for views
	whole   *wal.Change   // the change with all its values, if some were missing
}

// isKeyOnly reports whether the client gets nothing but the key of the row: it has left
// the view.
func (h *hit) isKeyOnly() bool { return h.keys != nil && h.binding.Spec.View && h.as == wal.Delete }

// hit makes a decided match a hit.
func (s *sending) hit(m *match) {
	m.binding.see(m.view, m.table)
	h := hit{binding: m.binding, as: m.change.Operation, holds: m.isIn(), keys: m.keys}
	if m.whole != nil {
		h.whole = m.whole.change
	}
	s.hits = append(s.hits, h)
}

// settle decides what the change that is about to be sent is to the views among its
// bindings, and leaves those out to which it is nothing. A view that would have too many
// rows ends.
func (f *frames) settle(s *Subscription, c *wal.Change) {
	if s.rows == nil {
		return
	}
	settled := s.hits[:0]
	for _, h := range s.hits {
		if !h.binding.Spec.View {
			settled = append(settled, h)
			continue
		}
		held := h.binding.held()
		if held == nil {
			continue
		}
		as, ok := held.take(h.keys, c, h.holds)
		if !ok {
			s.endBinding(f.attached.delivery, h.binding.Binding, *diagnose.ViewTooLarge(h.binding.Binding, s.fanout.config.Keys.Most()))
			continue
		}
		if h.as = as; as != 0 {
			settled = append(settled, h)
		}
	}
	clear(s.hits[len(settled):])
	s.hits = settled
}
