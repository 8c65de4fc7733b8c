package policy

import (
	"encoding/json"
	"strings"
	"sync"
	"unicode/utf8"

	"walcast/filters"
)

// Subject is who a channel acts as: a database role and claims. Equal subjects
// are one pointer as long as somebody holds them. It is immutable.
type Subject struct {
	Role   string
	Claims string // the claims object as JSON text

	guard *guard
}

// Actor is who Postgres is asked as; it makes a subject one of package filters.
func (s *Subject) Actor() (role, claims string) { return s.Role, s.Claims }

// possible reports whether Postgres can have such a role. "none" would give
// back our own role where it is set, and with it everything we may see.
func (s *Subject) possible() bool { return possibleRole(s.Role) && storable(s.Claims) }

func possibleRole(role string) bool { return role != "" && role != "none" && nameable(role) }

// storable reports whether Postgres can have the text. One that it cannot have
// would be refused with all that is asked beside it.
func storable(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// nameable reports whether the text may name something: it can be stored, and
// has no control characters.
func nameable(s string) bool {
	return storable(s) && strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) < 0
}

// claim is a top-level claim as Postgres' ->> has it, "" when it is absent.
func (s *Subject) claim(name string) string {
	var fields map[string]json.RawMessage
	if json.Unmarshal([]byte(s.Claims), &fields) != nil {
		return ""
	}
	var text *string
	if json.Unmarshal(fields[name], &text) != nil {
		return string(fields[name])
	}
	if text == nil {
		return ""
	}
	return *text
}

// subjects holds one value for equal subjects, counted.
type subjects struct {
	tables *tables // for guards

	mu    sync.Mutex
	held  map[subjectKey]*holding
	bytes int // of all
}

const (
	// subjectsBytes bounds what distinct subjects may hold in memory.
	subjectsBytes = 256 << 20
	// subjectCost is what one takes beside its texts: structs, and its part of
	// maps.
	subjectCost = 300
)

func (k subjectKey) size() int { return len(k.role) + len(k.claims) + subjectCost }

type subjectKey struct{ role, claims string }

type holding struct {
	subject *Subject
	count   int
}

// Subject returns the one value for equal role and claims; each call must be
// matched by one Release. Claims that differ only in iat and exp are equal
// only if no policy could tell, so they are kept apart.
func (ss *subjects) Subject(role, claims string) *Subject {
	key := subjectKey{role, claims}
	ss.mu.Lock()
	defer ss.mu.Unlock()
	h := ss.held[key]
	if h == nil {
		h = &holding{subject: ss.newSubject(role, claims)}
		ss.held[key] = h
		ss.bytes += key.size()
	}
	h.count++
	return h.subject
}

// HasRoom reports whether there is room for a subject: whoever acts for a client
// asks before it takes one that may be new. Claims have the length of a token at
// most, and are the client's in part.
func (ss *subjects) HasRoom(role, claims string) bool {
	key := subjectKey{role, claims}
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return ss.held[key] != nil || ss.bytes+key.size() <= subjectsBytes
}

// size is how many bytes they hold.
func (ss *subjects) size() float64 {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return float64(ss.bytes)
}

// Release gives a subject back.
func (ss *subjects) Release(s *Subject) {
	key := subjectKey{s.Role, s.Claims}
	ss.mu.Lock()
	defer ss.mu.Unlock()
	h := ss.held[key]
	if h == nil || h.subject != s {
		panic("policy: a subject is released more often than it was taken")
	}
	if h.count--; h.count == 0 {
		delete(ss.held, key)
		ss.bytes -= key.size()
	}
}

func (ss *subjects) newSubject(role, claims string) *Subject {
	s := &Subject{Role: role, Claims: claims}
	s.guard = &guard{tables: ss.tables, subject: s}
	return s
}

// Guard returns the subject's guard for the match index: its Where gives the
// compiled row-level security of a relation, nil if there is none or it cannot
// be compiled (then Visible must be asked).
func (ss *subjects) Guard(s *Subject) filters.Guard { return s.guard }

// count is how many there are.
func (ss *subjects) count() float64 {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return float64(len(ss.held))
}
