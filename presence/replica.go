package presence

import "encoding/json"

// NodeID names a node from its start to its end; a restarted node is another.
type NodeID string

// maxAhead bounds the deltas that wait for a lost one. What comes beyond is
// left out; a Full, which is due by then, contains it.
const maxAhead = 1024

// Delta is one change of what a node's own channels track on a topic, on its
// way to the other nodes. Metas travel with Key, Ref and JSON.
type Delta struct {
	Seq   uint64 // 1, 2, 3 … for each node and topic
	Leave string // ref of the meta that left, "" for none
	Join  *Meta  // nil for none
}

// Full is all that a node's own channels track on a topic, as of Seq.
type Full struct {
	Seq   uint64
	Metas []*Meta
}

// Replica is the state of a topic that several nodes have channels on: this
// node's part, which is changed here only, and the parts of the others as they
// say. Nodes that have heard the same deltas and fulls, in whatever order and
// however often, have the same metas; the order of metas of different nodes
// under one key is not defined.
type Replica struct {
	state *State
	seq   uint64
	parts map[NodeID]*part
}

// part is what is known of another node.
type part struct {
	seq   uint64              // every delta up to here is contained
	metas map[string]*listing // by ref
	ahead map[uint64]Delta    // came before their turn
}

// NewReplica returns the replica of a topic of which no other node is known.
func NewReplica() *Replica {
	return &Replica{state: NewState(), parts: map[NodeID]*part{}}
}

// State is the metas of all nodes together: for Flush, AppendState and the like.
// Tracking goes through the replica.
func (r *Replica) State() *State { return r.state }

// Seq is the number of this node's last delta.
func (r *Replica) Seq() uint64 { return r.seq }

// Track is State.Track for a channel of this node, with the delta for the
// other nodes. ok is false if there is none.
func (r *Replica) Track(id ChannelID, key string, payload json.RawMessage, ref string) (d Delta, ok bool, err error) {
	left, joined, err := r.state.track(id, key, payload, ref)
	d, ok = r.delta(left, joined)
	return d, ok, err
}

// Untrack is State.Untrack for a channel of this node, with the delta for the
// other nodes. ok is false if there is none.
func (r *Replica) Untrack(id ChannelID) (d Delta, ok bool) {
	return r.delta(r.state.untrack(id), nil)
}

// Adopt is State.Adopt. The ref stays, so other nodes need not know.
func (r *Replica) Adopt(from, to ChannelID) bool { return r.state.Adopt(from, to) }

// delta numbers a change of this node's.
func (r *Replica) delta(left, joined *Meta) (d Delta, ok bool) {
	if left == nil && joined == nil {
		return d, false
	}
	r.seq++
	d = Delta{Seq: r.seq, Join: joined}
	if left != nil {
		d.Leave = left.Ref
	}
	return d, true
}

// Full is this node's part, in order of arrival.
func (r *Replica) Full() Full {
	own := make(map[*listing]bool, len(r.state.tracked))
	for _, p := range r.state.tracked {
		own[p] = true
	}
	full := Full{Seq: r.seq, Metas: make([]*Meta, 0, len(own))}
	for at := r.state.order.Front(); at != nil; at = at.Next() {
		for _, p := range at.Value.(*entry).listings {
			if own[p] {
				full.Metas = append(full.Metas, p.meta)
			}
		}
	}
	return full
}

// Apply takes deltas of another node. It reports behind when a Full of that
// node is needed: the node is not known, or a delta before these is missing.
// Deltas that come too early wait for their turn; known ones are ignored.
//
// Only a Full makes a node known, even one of seq 0: a late delta of a node
// that is gone must not bring its metas back.
func (r *Replica) Apply(node NodeID, deltas ...Delta) (behind bool) {
	p := r.parts[node]
	if p == nil {
		return true
	}
	for _, d := range deltas {
		if d.Seq == p.seq+1 || d.Seq > p.seq && len(p.ahead) < maxAhead {
			p.ahead[d.Seq] = d
		}
		r.advance(p)
	}
	return len(p.ahead) > 0
}

// Behind says whether a node that has sent seq deltas has sent any that are
// missing here, as after the last one was lost.
func (r *Replica) Behind(node NodeID, seq uint64) bool {
	p := r.parts[node]
	return p == nil || seq > p.seq
}

// ApplyFull makes the node known and takes its part as of f.Seq, unless more
// is known already.
func (r *Replica) ApplyFull(node NodeID, f Full) {
	p := r.parts[node]
	if p == nil {
		p = &part{metas: map[string]*listing{}, ahead: map[uint64]Delta{}}
		r.parts[node] = p
	} else if f.Seq <= p.seq {
		return
	}
	there := make(map[string]bool, len(f.Metas))
	for _, m := range f.Metas {
		there[m.Ref] = true
	}
	for ref := range p.metas {
		if !there[ref] {
			r.leave(p, ref)
		}
	}
	for _, m := range f.Metas {
		r.join(p, m)
	}
	p.seq = f.Seq
	for seq := range p.ahead {
		if seq <= p.seq {
			delete(p.ahead, seq)
		}
	}
	r.advance(p)
}

// Drop forgets a node that is gone, or of which nothing was heard for so long
// that it counts as gone.
func (r *Replica) Drop(node NodeID) {
	p := r.parts[node]
	if p == nil {
		return
	}
	delete(r.parts, node)
	for ref := range p.metas {
		r.leave(p, ref)
	}
}

// advance applies the deltas whose turn it is.
func (r *Replica) advance(p *part) {
	for {
		d, ok := p.ahead[p.seq+1]
		if !ok {
			return
		}
		p.seq++
		delete(p.ahead, p.seq)
		r.leave(p, d.Leave)
		if d.Join != nil {
			r.join(p, d.Join)
		}
	}
}

func (r *Replica) join(p *part, m *Meta) {
	if p.metas[m.Ref] == nil {
		p.metas[m.Ref] = r.state.insert(m)
	}
}

func (r *Replica) leave(p *part, ref string) {
	if at := p.metas[ref]; at != nil {
		delete(p.metas, ref)
		r.state.remove(at)
	}
}
