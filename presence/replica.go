package presence

import (
	"encoding/json"
	"slices"
)

// NodeID names a node from its start to its end; a restarted node is another.
type NodeID string

// partBytes is how long the payload of presence_state may become by what other nodes
// tell. Each lets roomBytes in at most, and as long as they do not know of each other
// all of them may. What is beyond is left out.
const partBytes = 8 * roomBytes

// Listed is a meta that a node's own channels track. Moves counts how often it has gone
// from node to node with its client.
type Listed struct {
	*Meta
	Moves uint32
}

// Delta is how what a node's own channels track on a topic has changed, on its way to
// the other nodes.
type Delta struct {
	// Seq is the number of the delta, and Prev that of the one before to its topic. The
	// numbers of a node grow, whatever their topics.
	Seq, Prev uint64
	// Whole says that Joins are all that the node's own channels track as of Seq, which
	// makes Prev and Leaves meaningless.
	Whole  bool
	Joins  []Listed
	Leaves []string // refs
	Claims []Claim  // all that stand, as of Seq
}

// Replica is the state of a topic that several nodes have channels on: this node's part,
// which is changed here only, and the parts of the others as they say. What is present
// is what any of them lists. Nodes that have the same parts have the same metas; the
// order of metas of different nodes under one key is not defined.
type Replica struct {
	state   *State
	own     map[string]holding // what this node lists, by ref
	seq     uint64             // up to which all that was told is in own
	told    bool               // something was
	journal journal
	claimed map[string]uint32 // moves of what was claimed here, by ref
	parts   []*part
}

// part is what another node lists.
type part struct {
	node    NodeID
	seq     uint64 // every delta up to here is contained
	metas   map[string]holding
	claimed map[string]uint32
}

// holding is a meta as one node lists it.
type holding struct {
	at    *listing // nil while another node has claimed it
	meta  *Meta
	moves uint32
	lost  bool // of this node's part: it was among Applied.Lost
}

// NewReplica returns the replica of a topic of which no other node is known. seq is the
// newest number of this node, whatever its topic.
func NewReplica(seq uint64) *Replica {
	return &Replica{state: NewState(), own: map[string]holding{}, claimed: map[string]uint32{}, seq: seq}
}

// State is the metas of all nodes together: for Flush, AppendState and the like.
// Tracking goes through the replica.
func (r *Replica) State() *State { return r.state }

// Track is State.Track for a channel of this node, of a client that is named among those
// of the key; 0 is none.
func (r *Replica) Track(id ChannelID, key string, payload json.RawMessage, ref string, client uint32) error {
	left, joined, err := r.state.track(id, key, payload, ref)
	if left != nil {
		r.unlist(left.Ref)
	}
	if joined != nil {
		joined.client = client // nobody has seen it yet
		r.list(Listed{Meta: joined}, r.state.tracked[id])
	}
	return err
}

// Untrack is State.Untrack for a channel of this node.
func (r *Replica) Untrack(id ChannelID) {
	if left := r.state.untrack(id); left != nil {
		r.unlist(left.Ref)
	}
}

func (r *Replica) list(l Listed, at *listing) {
	r.own[l.Ref] = holding{at: at, meta: l.Meta, moves: l.Moves}
	r.journal.join(l)
}

func (r *Replica) unlist(ref string) {
	delete(r.own, ref)
	r.journal.leave(ref)
}

// Tracker is the channel of this node that tracks the meta of a ref.
func (r *Replica) Tracker(ref string) (id ChannelID, ok bool) {
	for id, p := range r.state.tracked {
		if p.meta.Ref == ref {
			return id, true
		}
	}
	return 0, false
}

// Unsent reports whether Take has something to tell.
func (r *Replica) Unsent() bool { return !r.journal.isEmpty() }

// Take returns what other nodes have not been told, without its number, which Told is to
// be called with. ok is false if there is nothing.
func (r *Replica) Take() (d Delta, ok bool) {
	if r.journal.isEmpty() {
		return d, false
	}
	d = Delta{Prev: r.seq, Whole: !r.told}
	d.Joins, d.Leaves = r.journal.take()
	d.Claims = r.claims()
	return d, true
}

// Told notes the number of the delta that Take has returned.
func (r *Replica) Told(seq uint64) { r.seq, r.told = seq, true }

// Seq is the number up to which all that was told of this node's part is contained.
func (r *Replica) Seq() uint64 { return r.seq }

// Whole is this node's part, in order of arrival, for a node that lacks something. What
// Take has to tell must have been told before.
func (r *Replica) Whole() Delta {
	d := Delta{Seq: r.seq, Whole: true, Joins: make([]Listed, 0, len(r.own)), Claims: r.claims()}
	for at := r.state.order.Front(); at != nil && len(r.own) > 0; at = at.Next() {
		for _, p := range at.Value.(*entry).listings {
			if h, own := r.own[p.meta.Ref]; own && h.at == p {
				d.Joins = append(d.Joins, Listed{p.meta, h.moves})
			}
		}
	}
	return d
}

// Applied is what a delta of another node has made of a replica.
type Applied struct {
	// Behind says that a Whole of that node is needed: the node is not known, or a delta
	// before this one is missing.
	Behind bool
	// Lost are refs of this node's part that the other has claimed, each once.
	Lost []string
	// LeftOut is how many metas were left out for want of room.
	LeftOut int
}

// Apply takes a delta of another node. One that is known is ignored.
//
// Only a Whole makes a node known: a late delta of a node that is gone must not bring its
// metas back.
func (r *Replica) Apply(node NodeID, d Delta) (a Applied) {
	p := r.part(node)
	switch {
	case p != nil && d.Seq <= p.seq:
		return a
	case d.Whole:
		p, a.LeftOut = r.replace(node, d.Joins)
	case p == nil || d.Prev > p.seq:
		return Applied{Behind: true}
	default:
		for _, ref := range d.Leaves {
			r.leave(p, ref)
		}
		a.LeftOut = r.join(p, d.Joins)
	}
	p.seq = d.Seq
	a.Lost = r.heed(p, d.Claims)
	r.unclaim()
	return a
}

// Known is the number up to which everything of another node has come; ok is false if
// the node is not known.
func (r *Replica) Known(node NodeID) (seq uint64, ok bool) {
	p := r.part(node)
	if p == nil {
		return 0, false
	}
	return p.seq, true
}

// Drop forgets a node that is gone, or of which nothing was heard for so long that it
// counts as gone. What it has claimed is there again if another node lists it still.
func (r *Replica) Drop(node NodeID) {
	p := r.part(node)
	if p == nil {
		return
	}
	for ref := range p.metas {
		r.leave(p, ref)
	}
	r.parts = slices.DeleteFunc(r.parts, func(o *part) bool { return o == p })
	for ref := range p.claimed {
		r.unhide(ref)
	}
	if r.unclaim() {
		r.journal.claims = true // who still sees that node shows again what was claimed of it
	}
}

func (r *Replica) part(node NodeID) *part {
	for _, p := range r.parts {
		if p.node == node {
			return p
		}
	}
	return nil
}

// replace makes the metas the part of a node.
func (r *Replica) replace(node NodeID, metas []Listed) (p *part, leftOut int) {
	p = r.part(node)
	if p == nil {
		p = &part{node: node}
		r.parts = append(r.parts, p)
	}
	there := make(map[string]bool, len(metas))
	for _, l := range metas {
		there[l.Ref] = true
	}
	for ref := range p.metas {
		if !there[ref] {
			r.leave(p, ref)
		}
	}
	return p, r.join(p, metas)
}

func (r *Replica) join(p *part, metas []Listed) (leftOut int) {
	for _, l := range metas {
		if h, listed := p.metas[l.Ref]; listed {
			if h.moves == l.Moves {
				continue
			}
			r.leave(p, l.Ref)
		}
		h := holding{meta: l.Meta, moves: l.Moves}
		if l.Moves >= r.claimOf(l.Ref) && !r.show(&h) {
			leftOut++
			continue
		}
		if p.metas == nil {
			p.metas = map[string]holding{}
		}
		p.metas[l.Ref] = h
	}
	return leftOut
}

// show has a meta of another node be present. It is false if there is no room.
func (r *Replica) show(h *holding) bool {
	switch {
	case r.held(h.meta.Ref, &h.at):
		h.at.holders++
	case r.state.Length()+h.meta.length() > partBytes:
		return false
	default:
		h.at = r.state.insert(h.meta)
	}
	return true
}

// held finds the listing of a ref that is present already.
func (r *Replica) held(ref string, at **listing) bool {
	*at = r.own[ref].at
	for i := 0; *at == nil && i < len(r.parts); i++ {
		*at = r.parts[i].metas[ref].at
	}
	return *at != nil
}

func (r *Replica) leave(p *part, ref string) {
	h, listed := p.metas[ref]
	if !listed {
		return
	}
	delete(p.metas, ref)
	if h.at != nil {
		r.state.remove(h.at)
	}
}
