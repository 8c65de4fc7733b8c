package resume

import (
	"time"

	"walcast/internal/nodes"
	"walcast/protocol"
)

// sharing is what the nodes of a cluster tell each other of their clients. It is not safe
// for concurrent use; a nil one is that of a server without other nodes.
type sharing struct {
	copies
	// isSure is set once somebody has vouched for what is known here. Until then, but for
	// no longer than until unsureUntil, a client that no node knows may have been on one all
	// the same: there may have been others before.
	isSure      bool
	keep        time.Duration
	unsureUntil time.Time
	untold      map[ID]bool // changed since other nodes were told; whether it has gone for good
	tellsAll    bool        // too much has, as while there is no bus: all are to be told of
}

// untoldMost bounds what is noted to be told.
const untoldMost = 100_000

func newSharing(keep time.Duration) *sharing {
	return &sharing{copies: newCopies(copiesBytes, keep*3/2), keep: keep, untold: map[ID]bool{}}
}

func (s *sharing) isUnsure(now time.Time) bool {
	return s != nil && !s.isSure && now.Before(s.doubts(now))
}

// doubts is until when clients that nobody knows may have been on a node all the same.
func (s *sharing) doubts(now time.Time) time.Time {
	if s.unsureUntil.IsZero() {
		s.unsureUntil = now.Add(s.keep)
	}
	return s.unsureUntil
}

// vouch notes that what somebody has told is complete, from a time on.
func (s *sharing) vouch(from, now time.Time) {
	switch {
	case s == nil:
	case !now.Before(from):
		s.isSure = true
	case from.Before(s.doubts(now)):
		s.unsureUntil = from
	}
}

func (s *sharing) change(r *record) {
	if s != nil {
		s.note(r.id, false)
	}
}

func (s *sharing) gone(r *record) {
	if s != nil {
		s.drop(r.id) // it is from before the client was here
		s.note(r.id, true)
	}
}

func (s *sharing) note(id ID, isGone bool) {
	if s.tellsAll {
		return
	}
	if s.untold[id] = isGone; len(s.untold) > untoldMost {
		s.untold, s.tellsAll = map[ID]bool{}, true
	}
}

// told is what other nodes are told of a client that is known here.
func (c *Clients) told(r *record, now time.Time) *Told {
	t := &Told{
		ID: r.id, Bindings: r.bindings, Topic: nodes.Digest(r.Topic, r.Private), Proven: r.proven,
		Resync: r.resync || r.right.barred, Own: true,
	}
	if r.Private {
		t.Age = now.Sub(r.right.allowed)
	}
	t.Quiet = r.heard > 0 && !r.lacks && !t.Resync && c.config.Quiet != nil && c.config.Quiet(r.topic(), r.heard)
	return t
}

func (k Key) topic() protocol.Topic { return protocol.Topic{Name: k.Topic, Private: k.Private} }

// adopt makes the record what a node has told.
func (r *record) adopt(t *Told, now time.Time) {
	r.bindings, r.resync, r.lacks, r.restored = t.Bindings, t.Resync, false, false
	r.receipt, r.right = receipt{proven: t.Proven}, right{allowed: now.Add(-t.Age)}
}

// Knows reports whether a client is known by this run, so that no other node has to be
// asked. What an earlier run has left may be older than what others know.
func (c *Clients) Knows(k Key) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.records.known[k.ID()]
	return r != nil && !r.restored
}

// Given is what a node knows of a client. Told is nil if nothing is.
type Given struct {
	*Told
	At    time.Time      // when another node has told it; zero if it was here last
	Place protocol.Topic // of one that was here last
	Heard uint64         // and up to which number it has the broadcasts of that; 0 if unknown
}

// Copy is what this node has been told by others of a client.
func (c *Clients) Copy(id ID, now time.Time) Given {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.copied(id, now)
}

func (c *Clients) copied(id ID, now time.Time) Given {
	t, at := c.records.nodes.told(id, now)
	return Given{Told: t, At: at}
}

// Give gives a client to another node that it has come to, and returns what is known of
// it. What its channel here proves from now on counts for nothing.
func (c *Clients) Give(id ID, now time.Time) (g Given) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.records.known[id]
	if r == nil {
		if g = c.copied(id, now); g.Told == nil {
			c.learn(&Told{ID: id, Resync: true}, now)
		}
		return g
	}
	g = Given{Told: c.told(r, now), Place: r.topic(), Heard: r.heard}
	if g.Own = !r.restored; r.lacks || g.Resync {
		g.Heard = 0
	}
	c.records.recall(r)
	r.owner, r.holder = nil, nil
	delete(c.records.known, id)
	c.learn(g.Told, now)
	return g
}

// Learn takes in what another node has told.
func (c *Clients) Learn(t *Told, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.learn(t, now)
}

func (c *Clients) learn(t *Told, now time.Time) {
	if c.records.nodes.add(t, now) {
		c.records.unsureUntil = now.Add(c.config.Memory)
	}
}

// Untold is what other nodes have not been told yet.
func (c *Clients) Untold(now time.Time) (all []*Told) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.records.nodes
	for id, isGone := range s.untold {
		if r := c.records.known[id]; r != nil {
			all = append(all, c.told(r, now))
		} else if isGone { // and not to another node
			all = append(all, &Told{ID: id, Gone: true})
		}
	}
	if s.tellsAll { // of who has gone an old copy stays, which does no harm
		for _, r := range c.records.known {
			all = append(all, c.told(r, now))
		}
	}
	s.untold, s.tellsAll = map[ID]bool{}, false
	return all
}

// Everything is what is known of all clients, by this node and by what others have told.
func (c *Clients) Everything(now time.Time) []*Told {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.records.nodes
	all := make([]*Told, 0, len(c.records.known)+s.len())
	for _, r := range c.records.known {
		all = append(all, c.told(r, now))
	}
	for id, t := range s.all() {
		old := max(0, now.Sub(t.at))
		if c.records.known[id] != nil || old > s.copies.keep {
			continue
		}
		told := t.told(now)
		told.Old, told.Quiet = old, false // who asks has not heard what was broadcast since
		all = append(all, told)
	}
	return all
}

// Doubt is for how long clients that are not known here may have been here, or where others
// have not told of, all the same. lost is the part of it that is for records which were lost
// here: what this node has told is not all even for who vouches for itself.
func (c *Clients) Doubt(now time.Time) (all, lost time.Duration) {
	isNew := c.slotIsNew()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trustNewSlot(isNew, now)
	lost = max(0, c.records.unsureUntil.Sub(now))
	if s := c.records.nodes; s.isUnsure(now) {
		return max(lost, s.doubts(now).Sub(now)), lost
	}
	return lost, lost
}

// Vouch notes that another node has told what it knows, and that from a time on this is
// all that any node has known.
func (c *Clients) Vouch(from, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.records.nodes.vouch(from, now)
}
