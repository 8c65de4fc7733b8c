package presence

import (
	"encoding/base64"
	"encoding/binary"
)

// RefSource makes refs: 16 characters of URL-safe base64, as upstream has
// them. One source never repeats itself; two with random seeds meet with a
// chance of about 2^-96 for each pair of their refs.
type RefSource struct {
	node    uint32
	counter uint64
}

// NewRefSource returns a source that starts from the seed, which is random and
// different on every node and at every start.
func NewRefSource(seed [12]byte) *RefSource {
	return &RefSource{node: binary.BigEndian.Uint32(seed[:4]), counter: binary.BigEndian.Uint64(seed[4:])}
}

// Next returns a ref that this source has not given before.
func (r *RefSource) Next() string {
	r.counter++
	var raw [12]byte
	binary.BigEndian.PutUint32(raw[:4], r.node^uint32(scatter(r.counter)>>32))
	binary.BigEndian.PutUint64(raw[4:], scatter(r.counter))
	return base64.URLEncoding.EncodeToString(raw[:])
}

// scatter is the finaliser of splitmix64: one to one, so different counters
// stay different, and neighbours look unlike.
func scatter(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
