package filters

// values is a small multiset whose list has each value once. It may not be copied:
// a list of one value, which is the usual case, lies within the struct itself (few).
type values[T comparable] struct {
	list []counted[T]
	few  [1]counted[T]
	at   map[T]int // index in list, when there are many
}

type counted[T comparable] struct {
	value T
	count int
}

// manyValues is the length from which on searching a list costs more than a map.
const manyValues = 16

// find returns the index of v in the list, or -1.
func (vs *values[T]) find(v T) int {
	if vs.at != nil {
		if i, ok := vs.at[v]; ok {
			return i
		}
		return -1
	}
	for i := range vs.list {
		if vs.list[i].value == v {
			return i
		}
	}
	return -1
}

// add adds one v.
func (vs *values[T]) add(v T) {
	if i := vs.find(v); i >= 0 {
		vs.list[i].count++
		return
	}
	if vs.list == nil {
		vs.list = vs.few[:0]
	}
	vs.list = append(vs.list, counted[T]{v, 1})
	if len(vs.list) > len(vs.few) {
		clear(vs.few[:]) // append has moved the list to the heap
	}
	switch {
	case vs.at != nil:
		vs.at[v] = len(vs.list) - 1
	case len(vs.list) > manyValues:
		vs.at = make(map[T]int, 2*manyValues)
		for i := range vs.list {
			vs.at[vs.list[i].value] = i
		}
	}
}

// remove removes one v and reports whether there was one.
func (vs *values[T]) remove(v T) bool {
	i := vs.find(v)
	if i < 0 {
		return false
	}
	if vs.list[i].count--; vs.list[i].count > 0 {
		return true
	}
	last := len(vs.list) - 1
	vs.list[i] = vs.list[last]
	vs.list[last] = counted[T]{}
	vs.list = vs.list[:last]
	if vs.at != nil {
		delete(vs.at, v)
		if i != last {
			vs.at[vs.list[i].value] = i
		}
	}
	return true
}
