package presence

// Diff is the metas that joined and left, each in order. It is immutable.
type Diff struct {
	joins, leaves []*Meta
}

// Empty says that there is nothing to tell.
func (d Diff) Empty() bool { return len(d.joins) == 0 && len(d.leaves) == 0 }

// Len is the number of metas in it.
func (d Diff) Len() int { return len(d.joins) + len(d.leaves) }

// AppendTo writes the payload of presence_diff; joins and leaves are both
// always there.
func (d Diff) AppendTo(dst []byte) []byte {
	dst = appendByKey(append(dst, `{"joins":{`...), d.joins)
	dst = appendByKey(append(dst, `},"leaves":{`...), d.leaves)
	return append(dst, `}}`...)
}

// appendByKey writes `"key":{"metas":[…]}` for each key, keys in order of
// their first meta.
func appendByKey(dst []byte, metas []*Meta) []byte {
	groups := make([][]*Meta, 0, len(metas))
	index := make(map[string]int, len(metas))
	for _, m := range metas {
		i, known := index[m.Key]
		if !known {
			i = len(groups)
			index[m.Key] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], m)
	}
	for _, group := range groups {
		dst = appendOpening(separate(dst), group[0].Key)
		for _, m := range group {
			dst = append(separate(dst), m.JSON...)
		}
		dst = append(dst, closing...)
	}
	return dst
}

// closing ends what appendOpening begins.
const closing = `]}`

func appendOpening(dst []byte, key string) []byte {
	return append(appendQuoted(dst, key), `:{"metas":[`...)
}

// separate writes a comma unless the list or object has just been opened.
func separate(dst []byte) []byte {
	if last := dst[len(dst)-1]; last == '{' || last == '[' {
		return dst
	}
	return append(dst, ',')
}
