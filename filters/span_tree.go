package filters

import "walcast/filters/datum"

// spanTree finds the spans that a value lies in. It is a treap ordered by lower
// limit, in which every node knows the highest upper limit below it. Adding,
// removing and finding the first span take time in the logarithm of its size.
type spanTree struct {
	typ  datum.Type
	root *spanNode
	seed uint32
}

// spanNode is one span and the selectors that are filed under it.
type spanNode struct {
	bucket
	span        span
	tree        *spanTree
	priority    uint32
	highest     *limit // the highest upper limit of this node and those below
	left, right *spanNode
}

// bucketEmptied implements bucketOwner.
func (n *spanNode) bucketEmptied() { n.tree.root = n.tree.remove(n.tree.root, n) }

// bucket returns the bucket of a span, which it makes if there is none.
func (t *spanTree) bucket(s span) *bucket {
	if n := t.find(s); n != nil {
		return &n.bucket
	}
	// Priorities come from xorshift, which is random enough to keep the tree flat
	// as long as clients cannot choose priorities.
	t.seed ^= t.seed << 13
	t.seed ^= t.seed >> 17
	t.seed ^= t.seed << 5
	n := &spanNode{span: s, tree: t, priority: t.seed}
	n.highest = &n.span.high
	n.owner = n
	t.root = t.insert(t.root, n)
	return &n.bucket
}

// compare orders spans by lower limit, then by upper limit.
func (t *spanTree) compare(a, b *span) int {
	if c := compareLow(t.typ, a.low, b.low); c != 0 {
		return c
	}
	return compareHigh(t.typ, a.high, b.high)
}

func (t *spanTree) find(s span) *spanNode {
	n := t.root
	for n != nil {
		c := t.compare(&s, &n.span)
		switch {
		case c == 0:
			return n
		case c < 0:
			n = n.left
		default:
			n = n.right
		}
	}
	return nil
}

// insert adds n to the tree below root and returns the new root.
func (t *spanTree) insert(root, n *spanNode) *spanNode {
	if root == nil {
		return n
	}
	if n.priority > root.priority {
		n.left, n.right = t.split(root, n)
		t.update(n)
		return n
	}
	if t.compare(&n.span, &root.span) < 0 {
		root.left = t.insert(root.left, n)
	} else {
		root.right = t.insert(root.right, n)
	}
	t.update(root)
	return root
}

// split divides a tree into the nodes before n and the nodes behind n.
func (t *spanTree) split(root, n *spanNode) (before, behind *spanNode) {
	if root == nil {
		return nil, nil
	}
	if t.compare(&root.span, &n.span) < 0 {
		root.right, behind = t.split(root.right, n)
		t.update(root)
		return root, behind
	}
	before, root.left = t.split(root.left, n)
	t.update(root)
	return before, root
}

// remove takes n out of the tree below root.
func (t *spanTree) remove(root, n *spanNode) *spanNode {
	if root == n {
		return t.join(n.left, n.right)
	}
	if t.compare(&n.span, &root.span) < 0 {
		root.left = t.remove(root.left, n)
	} else {
		root.right = t.remove(root.right, n)
	}
	t.update(root)
	return root
}

// join makes one tree of two. All nodes of a come before all nodes of b.
func (t *spanTree) join(a, b *spanNode) *spanNode {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.priority > b.priority:
		a.right = t.join(a.right, b)
		t.update(a)
		return a
	}
	b.left = t.join(a, b.left)
	t.update(b)
	return b
}

// update computes n.highest anew.
func (t *spanTree) update(n *spanNode) {
	n.highest = &n.span.high
	for _, child := range [...]*spanNode{n.left, n.right} {
		if child != nil && compareHigh(t.typ, *child.highest, *n.highest) > 0 {
			n.highest = child.highest
		}
	}
}

// around calls f for each span that v lies in.
func (n *spanNode) around(v *datum.Value, f func(*spanNode)) {
	for n != nil && n.highest.within(n.tree.typ, v) {
		if !n.span.above(n.tree.typ, v) {
			n = n.left // the spans to the right start even later
			continue
		}
		n.left.around(v, f)
		if n.span.high.within(n.tree.typ, v) {
			f(n)
		}
		n = n.right
	}
}

// each calls f for each bucket of the tree below n.
func (n *spanNode) each(f func(*bucket)) {
	if n != nil {
		n.left.each(f)
		f(&n.bucket)
		n.right.each(f)
	}
}
