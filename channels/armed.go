package channels

import (
	"slices"
	"sync"
	"time"

	"walcast/diagnose"
	"walcast/protocol"
	"walcast/replication/catalog"
)

// armed is the channels whose bindings were found to work. It says which of them are
// to be looked at again, as what they depend on has changed, and tells them what does
// not work any more, and when it works again. Bindings match all the time: what was
// broken goes on with the first row after it was mended. It is safe for concurrent
// use.
type armed struct {
	mu          sync.Mutex
	channels    map[*channel]*armedChannel
	tables      map[uint32]*armedTable
	common      lastPrint
	outage      outage
	outageSince time.Time // when the feed's outage began, of which channels may not be told yet; zero without one
}

// armedChannel is what an armed channel depends on, and what it was told.
type armedChannel struct {
	tables     []uint32  // by OID, sorted
	covered    []uint32  // by OID, sorted: tables of which its wildcards have rows come, or once did
	checked    time.Time // what is known of its bindings is at least as new
	unsure     bool      // it is to be looked at again after the next look at the catalog
	since      time.Time // the look after which it is looked at again: what was learnt before is not believed
	told       []protocol.Problem
	broken     map[*protocol.Binding]bool // bindings that do not work; none noted if it has stopped
	stopped    bool                       // it was told that none of its bindings works
	outageTold bool                       // it was told of an outage, and not of its end
}

// armedTable is a table that channels depend on.
type armedTable struct {
	channels int
	lastPrint
}

// lastPrint is a fingerprint as the last look took it. A check that began before it was
// first taken may have seen something older.
type lastPrint struct {
	print int64
	first time.Time // zero: not taken yet
}

func newArmed() *armed {
	return &armed{channels: map[*channel]*armedChannel{}, tables: map[uint32]*armedTable{}}
}

// add takes in a channel whose bindings work, and tells it so, after the warnings. what
// was found depends on answers of the catalog that are at least as new as checked.
func (a *armed) add(ch *channel, found diagnose.Finding, checked time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if ch.ended.Load() {
		return // its end takes it out, and has been
	}
	a.take(ch)
	s := &armedChannel{checked: checked, covered: sorted(found.Covered), told: found.Warnings}
	a.channels[ch] = s
	a.depend(s, found.Relations)
	for _, w := range found.Warnings {
		ch.problem(protocol.StatusOK, w)
	}
	ch.subscribed()
	if a.outage != noOutage {
		s.outageTold = true
		ch.out.Push(a.outage.frame(ch.address))
	}
}

// remove forgets a channel. When it returns nothing is pushed for the channel any
// more.
func (a *armed) remove(ch *channel) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.take(ch)
}

func (a *armed) take(ch *channel) {
	if s := a.channels[ch]; s != nil {
		a.depend(s, nil)
		delete(a.channels, ch)
	}
}

// has reports whether a channel's bindings were found to work, and what is known of it.
func (a *armed) has(ch *channel) (s armedChannel, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s := a.channels[ch]; s != nil {
		return *s, true
	}
	return armedChannel{}, false
}

// depend notes what a channel depends on. What it depended on before is let go last, so
// that a table of both keeps its fingerprint. a.mu must be held.
func (a *armed) depend(s *armedChannel, tables []uint32) {
	before := s.tables
	s.tables = sorted(tables)
	for _, oid := range s.tables {
		t := a.tables[oid]
		if t == nil {
			t = &armedTable{}
			a.tables[oid] = t
		}
		t.channels++
		s.unsure = s.unsure || !t.covers(s.checked)
	}
	s.unsure = s.unsure || !a.common.covers(s.checked)
	for _, oid := range before {
		if t := a.tables[oid]; t.channels > 1 {
			t.channels--
		} else {
			delete(a.tables, oid)
		}
	}
}

// sorted returns tables in order, each once.
func sorted(tables []uint32) []uint32 {
	tables = slices.Clone(tables)
	slices.Sort(tables)
	return slices.Clip(slices.Compact(tables))
}

// covers reports whether any change after the time will be noticed.
func (p lastPrint) covers(at time.Time) bool { return !p.first.IsZero() && !p.first.After(at) }

// take compares a fingerprint with the one before. It reports whether it has changed.
func (p *lastPrint) take(print int64, began time.Time) (changed bool) {
	changed = !p.first.IsZero() && p.print != print
	if p.print = print; p.first.IsZero() {
		p.first = began
	}
	return changed
}

// wanted are the tables whose fingerprints are to be taken, by OID. It is false if
// there is no channel that depends on anything.
func (a *armed) wanted() (tables []uint32, any bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	tables = make([]uint32, 0, len(a.tables))
	for oid := range a.tables {
		tables = append(tables, oid)
	}
	return tables, len(a.channels) > 0
}

// compare takes in a look that began at the time, and returns the channels that are to
// be looked at again.
func (a *armed) compare(found catalog.Prints, began time.Time) (again []*channel) {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := a.common.take(found.Common, began)
	changed := map[uint32]bool{}
	for oid, t := range a.tables {
		if t.take(found.Relations[oid], began) {
			changed[oid] = true
		}
	}
	for ch, s := range a.channels {
		if all || s.unsure || len(changed) > 0 && slices.ContainsFunc(s.tables, func(oid uint32) bool { return changed[oid] }) {
			s.unsure, s.since = false, began
			again = append(again, ch)
		}
	}
	return again
}

// doubt has a channel looked at again after the next look at the catalog.
func (a *armed) doubt(ch *channel) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s := a.channels[ch]; s != nil {
		s.unsure = true
	}
}

// learn takes in what a second look at a channel's bindings has found, and tells it
// what is new. It is not ok for a channel that is armed no more. mended says that
// something works again that did not.
func (a *armed) learn(ch *channel, found diagnose.Finding, bindings []diagnose.Binding) (mended, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.channels[ch]
	switch {
	case s == nil:
		return false, false
	case len(bindings) == 0: // they were switched off, and the channel was told so
		a.take(ch)
		return false, false
	}
	s.checked, s.covered = s.since, sorted(found.Covered)
	a.depend(s, found.Relations)
	// One that was looked at may be switched off by now.
	broken := make(map[*protocol.Binding]bool, len(found.Broken))
	for _, b := range found.Broken {
		broken[b] = true
	}
	stopped := !slices.ContainsFunc(bindings, func(b diagnose.Binding) bool { return !broken[b.Spec] })
	now := slices.Clone(found.Warnings)
	for _, p := range found.Refusals {
		now = append(now, p.Warning())
	}
	isOld := func(p protocol.Problem) bool { return slices.Contains(s.told, p) }
	isBetter := s.stopped && !stopped || slices.ContainsFunc(s.told, func(p protocol.Problem) bool { return !slices.Contains(now, p) })
	switch {
	case stopped && !(s.stopped && slices.ContainsFunc(found.Refusals, func(p protocol.Problem) bool { return isOld(p.Warning()) })):
		ch.problem(protocol.StatusError, *found.Refused)
	case stopped:
	default:
		for _, p := range now {
			if isBetter || !isOld(p) {
				ch.problem(protocol.StatusOK, p)
			}
		}
		if isBetter && !s.outageTold {
			ch.subscribed()
		}
	}
	s.told, s.stopped, s.broken = now, stopped, nil
	if !stopped {
		s.broken = broken
	}
	return isBetter && !stopped, true
}

// isBroken reports whether a channel's binding was found not to work any more.
func (a *armed) isBroken(ch *channel, b *protocol.Binding) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.channels[ch]
	return s != nil && (s.stopped || s.broken[b])
}
