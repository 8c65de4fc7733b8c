package resume

import (
	"container/list"
	"strings"
	"time"

	"walcast/replication/changelog"
)

// Key names a topic as one client has it. The subject belongs to it, so that
// nobody comes back as the client of another subject.
type Key struct {
	Client  string // client_id
	Topic   string // with the prefix "realtime:"
	Private bool
	Role    string
	Sub     string
}

// clone is the key in memory of its own: the parts of k are cut from longer
// texts, such as the query of a URL, which would stay in memory with it.
func (k Key) clone() Key {
	k.Client, k.Topic = strings.Clone(k.Client), strings.Clone(k.Topic)
	k.Role, k.Sub = strings.Clone(k.Role), strings.Clone(k.Sub)
	return k
}

// Memory is what is remembered of a client that joins.
type Memory uint8

// Fresh clients were not here before. Remembered clients were, and what they have
// is known. Forgotten clients may have been, and what they have is not known; they
// are told to resync each time that they join, until a pong proves that they have
// heard it.
const (
	Fresh Memory = iota
	Remembered
	Forgotten
)

// Known is what a client has received of a topic, as far as its pongs have
// proven it.
type Known struct {
	Memory Memory
	Proven changelog.Standing // it has every change up to here; zero if unknown
	Heard  uint64             // and every broadcast up to this number; 0 if unknown
	Lacks  bool               // it may lack broadcasts before that number
}

// record is what is remembered of one client's topic.
type record struct {
	Key
	id       ID // of Key
	bindings Fingerprint
	receipt
	resync   bool // the client was told to resync, or is to be, and has proven nothing since
	lacks    bool // it may lack broadcasts, and has not proven yet that it has them or was told
	restored bool // from an earlier run, and not used since

	owner   *Bookmark     // of the client's newest channel; nil while the client is away
	holder  *Bookmark     // the owner, or the last one while the client is away; nil after a restart
	left    time.Time     // when the client went away
	element *list.Element // in records.away; nil while the client is here
	right   right
}

// receipt is what the client has proven to have.
type receipt struct {
	proven    changelog.Standing // as in Known
	heard     uint64
	confirmed bool // the owner's client has proven something
}

// right is what is known of the client's right to read a private topic.
type right struct {
	allowed time.Time // when the client was last known to have it
	barred  bool      // the client may not read broadcasts: what is sent now is not for it
}

// isDoubtful reports whether something may have been sent to the topic since
// the client left that was not for it.
func (r right) isDoubtful(now time.Time, age time.Duration) bool {
	return r.barred || age > 0 && now.Sub(r.allowed) > age
}

// size is about how many bytes a record takes.
func (r *record) size() int {
	return 400 + len(r.Client) + len(r.Topic) + len(r.Role) + len(r.Sub)
}

// start notes from which standing on a new client's channel gets everything.
// The client goes on there when it comes back, even if it has proven nothing.
func (r *record) start(at changelog.Standing) {
	if r.resync || r.proven != (changelog.Standing{}) {
		return
	}
	r.proven = at
	r.resync = at == (changelog.Standing{})
}

// listen notes after which number a new client's channel gets all broadcasts.
func (r *record) listen(number uint64) {
	if r.heard == 0 && !r.resync {
		r.heard = number
	}
}

// prove notes what the client has received. Zero values say nothing.
func (r *record) prove(at changelog.Standing, heard uint64) {
	r.confirmed, r.lacks = true, false
	if at != (changelog.Standing{}) {
		r.proven, r.resync = at, false
	}
	if heard > 0 {
		r.heard, r.resync = heard, false
	}
}

// forget makes the record that of a client of which nothing is known.
func (r *record) forget(resync bool) {
	r.proven, r.heard, r.resync, r.lacks = changelog.Standing{}, 0, resync, false
}
