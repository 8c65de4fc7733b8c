package resume

import (
	"container/list"
	"strings"
	"time"

	"walcast/replication/changelog"
)

// Key names a topic as one client has it. The subject belongs to it: a
// client that comes with the client_id of another subject finds nothing of it.
type Key struct {
	Client  string // client_id
	Topic   string // with the prefix "realtime:"
	Private bool
	Role    string
	Sub     string
}

// clone is the key with memory of its own: its parts are cut from longer texts,
// such as the query of a URL, which need not stay with them.
func (k Key) clone() Key {
	k.Client, k.Topic = strings.Clone(k.Client), strings.Clone(k.Topic)
	k.Role, k.Sub = strings.Clone(k.Role), strings.Clone(k.Sub)
	return k
}

// Memory is what is remembered of a client that joins.
type Memory uint8

// Fresh clients were not here before. Remembered ones were, and what they have
// is known. Forgotten ones may have been here, and what they have is not known;
// they are told to resync, until they confirm that they have heard it.
const (
	Fresh Memory = iota
	Remembered
	Forgotten
)

// Known is what a client has received of a topic, as far as it has proven it.
type Known struct {
	Memory Memory
	Proven changelog.Standing // it has every change up to here; zero if unknown
	Heard  uint64             // and every broadcast up to this number; 0 if unknown
}

// record is what is remembered of one client's topic.
type record struct {
	Key
	bindings  Fingerprint
	proven    changelog.Standing // as in Known
	heard     uint64
	resync    bool // it was told, or will be told, to resync, and has proven nothing since
	restored  bool // from an earlier run, and not used since
	confirmed bool // its owner has proven something

	owner   *Bookmark // of the channel that is the client; nil while it is away
	holder  *Bookmark // the owner, or the last one; nil after a restart
	left    time.Time // since when it is away
	element *list.Element
	right   right
}

// right is what is known of the client's right to read a private topic.
type right struct {
	allowed time.Time // when it was last known to have it
	barred  bool      // it has it no more, or for presence alone: what is sent is not for it
}

// isDoubtful reports whether something may have been sent to the topic since
// that was not for the client.
func (r right) isDoubtful(now time.Time, age time.Duration) bool {
	return r.barred || age > 0 && now.Sub(r.allowed) > age
}

// size is about what a record weighs, in bytes.
func (r *record) size() int {
	return 400 + len(r.Client) + len(r.Topic) + len(r.Role) + len(r.Sub)
}

// start notes from where on a channel that is new gets everything. That holds
// when it comes back, whether it has proven anything by then or not.
func (r *record) start(at changelog.Standing) {
	if r.resync || r.proven != (changelog.Standing{}) {
		return
	}
	r.proven = at
	r.resync = at == (changelog.Standing{})
}

// listen notes from which number on a channel that is new gets all broadcasts.
func (r *record) listen(number uint64) {
	if r.heard == 0 && !r.resync {
		r.heard = number
	}
}

// prove notes what the owner has received. Zero values say nothing.
func (r *record) prove(at changelog.Standing, heard uint64) {
	r.confirmed = true
	if at != (changelog.Standing{}) {
		r.proven, r.resync = at, false
	}
	if heard > 0 {
		r.heard, r.resync = heard, false
	}
}

// forget makes the record that of a client of which nothing is known.
func (r *record) forget(resync bool) {
	r.proven, r.heard, r.resync = changelog.Standing{}, 0, resync
}
