package policy

import (
	"encoding/json"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"walcast/filters"
)

// Subject is the database role and the claims that a channel acts as. Equal subjects
// are one pointer as long as they are held. A Subject is immutable.
type Subject struct {
	Role   string
	Claims string // the claims object as JSON text

	guard   *guard
	account atomic.Pointer[Account] // nil until somebody wants to know
}

// Actor returns the role and the claims. It makes a Subject a filters.Subject.
func (s *Subject) Actor() (role, claims string) { return s.Role, s.Claims }

// Account is whom subjects belong to: subjects of one role and sub claim have one, whatever
// else their claims say, which changes with each new token. Without sub each has its own.
type Account struct{ role, sub, claims string }

// Account returns whom the subject belongs to. It is for sharing fairly, and grants nothing.
// A channel that has ended has no subject any more: nil has the zero Account.
func (s *Subject) Account() Account {
	if s == nil {
		return Account{}
	}
	if known := s.account.Load(); known != nil {
		return *known
	}
	a := Account{role: s.Role, sub: s.claim("sub")}
	if a.sub == "" {
		a.claims = s.Claims
	}
	s.account.Store(&a)
	return a
}

// possible reports whether Postgres can have such a role and claims. Setting the
// role "none" would restore our own user, with everything that it may see.
func (s *Subject) possible() bool { return possibleRole(s.Role) && storable(s.Claims) }

// possibleRole reports whether Postgres can have a role of that name.
func possibleRole(role string) bool { return role != "" && role != "none" && nameable(role) }

// storable reports whether Postgres accepts the text. Otherwise it would refuse the
// whole statement, with all other calls in it.
func storable(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// nameable reports whether the text can be a name: Postgres accepts it, and it has no
// control characters.
func nameable(s string) bool {
	return storable(s) && strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) < 0
}

// claim returns a top-level claim as Postgres' ->> does, or "" if it is absent.
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

// subjects holds one Subject for equal roles and claims, and counts its users.
type subjects struct {
	tables *tables // for guards

	mu    sync.Mutex
	held  map[subjectKey]*holding
	bytes int // memory of all subjects
}

const (
	// subjectsBytes bounds what distinct subjects may hold in memory.
	subjectsBytes = 256 << 20
	// subjectCost is the memory of a subject without its texts: structs, and its
	// part of maps.
	subjectCost = 300
)

// size returns the memory of a subject in bytes.
func (k subjectKey) size() int { return len(k.role) + len(k.claims) + subjectCost }

type subjectKey struct{ role, claims string }

// holding is a Subject and how often it was taken.
type holding struct {
	subject *Subject
	count   int
}

// Subject returns the one value for equal role and claims. Each call must be matched
// by one Release. Claims that differ only in iat and exp are different subjects, as
// a policy may look at these.
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

// HasRoom reports whether there is room for a subject. It is to be asked before
// Subject is called for a client, as clients decide in part what claims have in them.
func (ss *subjects) HasRoom(role, claims string) bool {
	key := subjectKey{role, claims}
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return ss.held[key] != nil || ss.bytes+key.size() <= subjectsBytes
}

// size returns the memory of all subjects in bytes.
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

// count returns the number of subjects.
func (ss *subjects) count() float64 {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return float64(len(ss.held))
}
