package cluster

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

const (
	// beatEvery is how often a node says that it is there.
	beatEvery = 500 * time.Millisecond
	// goneAfter is how long a node may be silent before it counts as gone.
	goneAfter = 2500 * time.Millisecond
	// maxNodes bounds how many are kept in mind.
	maxNodes = 256
)

// directory is which nodes are there, this one left out. It has no lock and no clock
// of its own.
type directory struct {
	known map[string]entry // by the run of the process
}

// entry is a node and when it was last heard of.
type entry struct {
	node  Node
	heard time.Time
}

// change is what a beat, or the time, has done to a directory.
type change struct{ came, left []Node }

// hear takes in a beat.
func (d *directory) hear(b beat, now time.Time) (c change) {
	before, isKnown := d.known[b.Run]
	switch {
	case b.Bye:
		if isKnown {
			delete(d.known, b.Run)
			c.left = append(c.left, before.node)
		}
		return c
	case !isKnown && len(d.known) >= maxNodes:
		return c
	}
	if !isKnown {
		c.came = append(c.came, b.Node)
		for run, e := range d.known { // an earlier run in its place, which was killed
			if e.node.Node == b.Node.Node && e.node.Since.Before(b.Node.Since) {
				delete(d.known, run)
				c.left = append(c.left, e.node)
			}
		}
	}
	if d.known == nil {
		d.known = map[string]entry{}
	}
	d.known[b.Run] = entry{b.Node, now}
	return c
}

// expire forgets the nodes that have been silent for too long.
func (d *directory) expire(now time.Time) (c change) {
	for run, e := range d.known {
		if now.Sub(e.heard) > goneAfter {
			delete(d.known, run)
			c.left = append(c.left, e.node)
		}
	}
	return c
}

// nodes are those that are there, with this one, in the order of their names.
func (d *directory) nodes(self Node) []Node {
	all := []Node{self}
	for _, e := range d.known {
		all = append(all, e.node)
	}
	slices.SortFunc(all, Node.compare)
	return all
}

// runs are the other processes that are there in the order in which they are to be
// asked: those in a role first, and last those that may be frozen or gone.
func (d *directory) runs(role string, now time.Time) []string {
	rank := func(run string) int {
		switch e := d.known[run]; {
		case now.Sub(e.heard) > 2*beatEvery+beatEvery/2:
			return 2
		case e.node.Role == role:
			return 0
		}
		return 1
	}
	return slices.SortedFunc(maps.Keys(d.known), func(a, b string) int { return cmp.Compare(rank(a), rank(b)) })
}
