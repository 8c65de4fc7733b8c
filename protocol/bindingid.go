package protocol

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// bindingIDs gives out the ids of one join's bindings. An id is a function of
// what a binding selects, so that clients with the same binding get the same
// frames, byte for byte, from every process. Where it resumes is no part of
// that: a client that is back has the ids that it had before.
type bindingIDs struct {
	byHash map[uint64]int64
	taken  map[int64]bool
}

// maxID keeps ids within the integers of every client.
const maxID = 1<<31 - 1

func newBindingIDs() *bindingIDs {
	return &bindingIDs{byHash: map[uint64]int64{}, taken: map[int64]bool{}}
}

// next is the id of a binding: that of an equal one before, or one of its own.
// Where two contents fall on one id the later one gets the next free.
func (ids *bindingIDs) next(v value) int64 {
	h, _ := objectHash(v, optionResume)
	if id, ok := ids.byHash[h]; ok {
		return id
	}
	id := int64((h ^ h>>32) & maxID)
	for id == 0 || ids.taken[id] {
		id = (id + 1) & maxID
	}
	ids.byHash[h], ids.taken[id] = id, true
	return id
}

// contentHash is a hash of the value at the start of valid JSON, and its length.
// It is the same however keys are ordered, strings escaped and space is set.
// One pass, whatever the depth: the text is a client's.
func contentHash(data []byte) (hash uint64, size int) {
	switch data[0] {
	case '{':
		return objectHash(data, "")
	case '[':
		h := newHash('[')
		n := eachNested(data, func(rest []byte) int {
			element, n := contentHash(rest)
			h.addHash(element)
			return n
		})
		return uint64(h), n
	}
	n := extent(data)
	v := value(data[:n])
	if v.kind() == '"' {
		return hashOf('"', v.stringBytes()), n
	}
	return hashOf('0', v), n
}

// objectHash hashes the members in the order of their names, but for the one
// called except; of those with the same name the last one counts.
func objectHash(data []byte, except string) (hash uint64, size int) {
	type hashed struct {
		name  []byte
		value uint64
	}
	var all []hashed
	n := eachNested(data, func(rest []byte) int {
		at := extent(rest)
		name := value(rest[:at]).stringBytes()
		at += skipSeparators(rest[at:])
		h, n := contentHash(rest[at:])
		all = append(all, hashed{name, h})
		return at + n
	})
	slices.SortStableFunc(all, func(a, b hashed) int { return bytes.Compare(a.name, b.name) })
	h := newHash('{')
	for i, m := range all {
		if i+1 < len(all) && bytes.Equal(m.name, all[i+1].name) || except != "" && string(m.name) == except {
			continue
		}
		h.addHash(hashOf('"', m.name))
		h.addHash(m.value)
	}
	return uint64(h), n
}

// eachNested calls read at every element, or member, of the array or object at
// the start of data; read returns how much of it that was. The result is the
// length of the whole.
func eachNested(data []byte, read func(rest []byte) int) int {
	i := 1
	for {
		i += skipSeparators(data[i:])
		if data[i] == '}' || data[i] == ']' {
			return i + 1
		}
		i += read(data[i:])
	}
}

func skipSeparators(data []byte) int {
	return len(data) - len(bytes.TrimLeft(data, " \t\r\n,:"))
}

// fnv is FNV-1a in 64 bits: the same in every process and version.
type fnv uint64

func newHash(kind byte) fnv {
	h := fnv(14695981039346656037)
	h.add([]byte{kind})
	return h
}

func hashOf(kind byte, content []byte) uint64 {
	h := newHash(kind)
	h.add(content)
	return uint64(h)
}

func (h *fnv) add(content []byte) {
	for _, c := range content {
		*h = (*h ^ fnv(c)) * 1099511628211
	}
}

func (h *fnv) addHash(other uint64) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], other)
	h.add(b[:])
}
