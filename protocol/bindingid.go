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
func (ids *bindingIDs) next(v value) int64 {
	id, _ := ids.of(bindingHash(v))
	return id
}

// of is the id of a hash, and how many were tried. Where two contents fall on one
// id the later one gets another, by steps that are others for each content: a
// client can find many contents that begin at one id, but not many that go on
// together.
func (ids *bindingIDs) of(h uint64) (id int64, tries int) {
	if id, ok := ids.byHash[h]; ok {
		return id, 1
	}
	id = int64((h ^ h>>32) & maxID)
	for tries = 1; id == 0 || ids.taken[id]; tries++ {
		id = int64(mixed(h+uint64(tries)) & maxID)
	}
	ids.byHash[h], ids.taken[id] = id, true
	return id, tries
}

// mixed is the finalizer of SplitMix64: each bit of its result depends on all
// of h.
func mixed(h uint64) uint64 {
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// bindingHash is the hash of a binding without the pair that says from where
// it resumes.
func bindingHash(v value) uint64 {
	r := newReader(v)
	defer r.close()
	return r.hashObject(optionResume)
}

// hash is a hash of the next value. It is the same however keys are ordered,
// strings escaped and space is set. The text is a client's, so it is read once
// however deep it is.
func (r *reader) hash() uint64 {
	switch r.kind() {
	case '{':
		return r.hashObject("")
	case '[':
		return r.hashArray()
	}
	v := r.next()
	if v.kind() == '"' {
		return hashOf('"', v.stringBytes())
	}
	return hashOf('0', v)
}

func (r *reader) hashArray() uint64 {
	h := newHash('[')
	for r.enter(); !r.leave(); {
		h.addHash(r.hash())
	}
	return uint64(h)
}

// hashObject hashes the pairs in the order of their names, but for the one
// called except; of those with the same name the last one counts.
func (r *reader) hashObject(except string) uint64 {
	type hashed struct {
		name  []byte
		value uint64
	}
	var all []hashed
	for r.enter(); !r.leave(); {
		name := r.next().stringBytes()
		all = append(all, hashed{name, r.hash()})
	}
	slices.SortStableFunc(all, func(a, b hashed) int { return bytes.Compare(a.name, b.name) })
	h := newHash('{')
	for i, m := range all {
		if i+1 < len(all) && bytes.Equal(m.name, all[i+1].name) || except != "" && string(m.name) == except {
			continue
		}
		h.addHash(hashOf('"', m.name))
		h.addHash(m.value)
	}
	return uint64(h)
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
