package presence

import "slices"

// Claim says that a client has come to a node, and has taken along the meta of a ref:
// what other nodes list under it with fewer moves is not there any more. It stands until
// they do not list it.
type Claim struct {
	Ref   string
	Moves uint32
}

// Claim has a channel of this node take over what the same client tracks under the same
// key on another node, which it has left: nobody sees a change, as the ref stays. ok is
// false if there is nothing; the channel must not track yet. from is the channel of this
// node that tracked it before, if the client had gone from here and is back.
func (r *Replica) Claim(id ChannelID, key string, client uint32) (from ChannelID, ok bool) {
	at := r.state.keys[key]
	if client == 0 || at == nil || r.state.tracked[id] != nil {
		return 0, false
	}
	for _, p := range at.Value.(*entry).listings {
		own, listed := r.own[p.meta.Ref]
		moves := r.moves(p.meta.Ref)
		if p.holders == 0 || p.meta.client != client || listed && own.moves >= moves {
			continue
		}
		if listed {
			from, _ = r.Tracker(p.meta.Ref)
			delete(r.state.tracked, from)
			r.unlist(p.meta.Ref)
		} else {
			p.holders++
		}
		r.state.tracked[id] = p
		r.list(Listed{p.meta, moves + 1}, p)
		r.claimed[p.meta.Ref] = moves + 1
		r.journal.claims = true
		r.hide(Claim{p.meta.Ref, moves + 1})
		return from, true
	}
	return 0, false
}

// moves is how often a meta of other nodes has moved.
func (r *Replica) moves(ref string) (most uint32) {
	for _, p := range r.parts {
		most = max(most, p.metas[ref].moves)
	}
	return most
}

// Claims is how many claims of this node stand.
func (r *Replica) Claims() int { return len(r.claimed) }

func (r *Replica) claims() (all []Claim) {
	for ref, moves := range r.claimed {
		all = append(all, Claim{ref, moves})
	}
	return all
}

// heed makes the claims those of a node. It returns the refs of this node's part among
// them, if they were not among an earlier one's: every delta tells all claims again.
func (r *Replica) heed(p *part, claims []Claim) (lost []string) {
	before := p.claimed
	p.claimed = nil
	for _, c := range claims {
		if p.claimed == nil {
			p.claimed = map[string]uint32{}
		}
		p.claimed[c.Ref] = c.Moves
		r.hide(c)
		if own, listed := r.own[c.Ref]; listed && own.moves < c.Moves && !own.lost {
			own.lost = true
			r.own[c.Ref] = own
			lost = append(lost, c.Ref)
		}
	}
	for ref := range before {
		r.unhide(ref)
	}
	return lost
}

// hide hides in the parts what a claim says has gone.
func (r *Replica) hide(c Claim) {
	for _, p := range r.parts {
		if h := p.metas[c.Ref]; h.at != nil && h.moves < c.Moves {
			r.state.remove(h.at)
			h.at = nil
			p.metas[c.Ref] = h
		}
	}
}

// unhide shows again what nobody claims any more.
func (r *Replica) unhide(ref string) {
	for _, p := range r.parts {
		if h, listed := p.metas[ref]; listed && h.at == nil && h.moves >= r.claimOf(ref) && r.show(&h) {
			p.metas[ref] = h
		}
	}
}

// unclaim forgets what this node has claimed and no other lists any more. That is not told
// at once: to those who have not heard yet that the other does not list it, it is hidden.
func (r *Replica) unclaim() (some bool) {
	for ref, moves := range r.claimed {
		if !slices.ContainsFunc(r.parts, func(p *part) bool {
			h, listed := p.metas[ref]
			return listed && h.moves < moves
		}) {
			delete(r.claimed, ref)
			some = true
		}
	}
	return some
}

// claimOf is the moves of the newest claim of a ref.
func (r *Replica) claimOf(ref string) uint32 {
	moves := r.claimed[ref]
	for _, p := range r.parts {
		moves = max(moves, p.claimed[ref])
	}
	return moves
}
