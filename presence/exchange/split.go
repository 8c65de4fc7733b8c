package exchange

import (
	"iter"

	"walcast/presence"
)

// split is a part as several that have about partSize each.
func split(p part) iter.Seq[part] {
	return func(yield func(part) bool) {
		rest := p.delta
		for {
			p.delta.Leaves, rest.Leaves = cut(rest.Leaves, partSize/4, func(ref string) int { return len(ref) })
			p.delta.Claims, rest.Claims = cut(rest.Claims, partSize/4, func(c presence.Claim) int { return len(c.Ref) + 5 })
			p.delta.Joins, rest.Joins = cut(rest.Joins, partSize/2, func(l presence.Listed) int { return len(l.Key) + len(l.Ref) + len(l.JSON) + 16 })
			p.more = len(rest.Leaves)+len(rest.Claims)+len(rest.Joins) > 0
			if !yield(p) || !p.more {
				return
			}
			p.index++
		}
	}
}

// cut takes from a list what has about so many bytes, and one element at least.
func cut[T any](list []T, most int, size func(T) int) (taken, rest []T) {
	bytes := 0
	for i, one := range list {
		bytes += size(one) + 2
		if i > 0 && bytes > most {
			return list[:i], list[i:]
		}
	}
	return list, nil
}

// joined is the parts of a delta of one node, as long as not all have come.
type joined struct {
	part  part // with the index of the last one
	bytes int
}

// mostJoined bounds what may wait for its last part, in bytes. What one node lets in is
// shorter by far.
const mostJoined = 16 << 20

// add takes the next part. ok says that it was the last one, and whole is all of them. A
// part whose turn it is not is dropped with those before.
func (j *joined) add(p part, bytes int) (whole part, ok bool) {
	open, d := &j.part, &p.delta
	switch {
	case p.index == 0 && !p.more:
		j.drop()
		return p, true
	case p.index == 0:
		*j = joined{p, bytes}
		return part{}, false
	case open.digest != p.digest || open.delta.Seq != d.Seq || !open.more || open.index+1 != p.index || j.bytes+bytes > mostJoined:
		j.drop()
		return part{}, false
	}
	j.bytes += bytes
	open.index, open.more = p.index, p.more
	open.delta.Leaves = append(open.delta.Leaves, d.Leaves...)
	open.delta.Claims = append(open.delta.Claims, d.Claims...)
	open.delta.Joins = append(open.delta.Joins, d.Joins...)
	if p.more {
		return part{}, false
	}
	whole = *open
	j.drop()
	return whole, true
}

func (j *joined) drop() { *j = joined{} }
