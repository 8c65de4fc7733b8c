package moving

import (
	"fmt"
	"testing"
	"time"
)

// TestWhoIsNotKnownIsNewOnlyIfNobodyCanHaveKnown goes through what may happen to a node.
func TestWhoIsNotKnownIsNewOnlyIfNobodyCanHaveKnown(t *testing.T) {
	const keep = time.Hour
	telling := func(number uint64) message { return message{kind: kindTelling, run: "a", number: number} }
	unsure, bye, late, young, poor := telling(1), telling(3), telling(4), telling(3), telling(3)
	bye.bye, late.bye, young.bye, poor.bye = true, true, true, true
	unsure.doubt, young.doubt, poor.doubt = doubt{all: keep / 2}, doubt{all: keep}, doubt{all: keep, lost: keep / 2}
	all := message{kind: kindTellAll, run: "a", number: 2}
	first, lost := all, all
	first.more, lost.part = true, 2
	for _, c := range []struct {
		name    string
		heard   []message
		after   time.Duration // that it is looked
		certain bool
	}{
		{"nobody else", nil, 0, true},
		{"a node that has not told all", []message{telling(1)}, 0, false},
		{"it has told all", []message{telling(1), all}, 0, true},
		{"it has told a part", []message{telling(1), first}, 0, false},
		{"a part is lost", []message{telling(1), first, lost}, 0, false},
		{"it is not sure", []message{all, unsure}, 0, false},
		{"a telling is lost", []message{all, telling(4)}, 0, false},
		{"a telling is lost and it has told all again", []message{all, telling(4), {kind: kindTellAll, run: "a", number: 4}}, 0, true},
		{"it is not sure for a while", []message{all, unsure}, 2 * time.Second, false},
		{"it has gone", []message{all, bye}, 0, true},
		{"it has gone, and had only not been told yet what is known here", []message{all, young}, 0, true},
		{"it has gone, and had lost clients", []message{all, poor}, 0, false},
		{"it has gone, and had lost clients, which were away for too long by now", []message{all, poor}, keep / 2, true},
		{"it has gone, and its last telling but one is lost", []message{all, late}, 0, false},
		{"it is silent", []message{all}, silentAfter + 1, false},
		{"it has been silent for long", []message{all}, keep + silentAfter + 2, true},
	} {
		s, now := newSources(keep), time.Now()
		for _, m := range c.heard {
			of, _ := s.hear(&m, now)
			if m.kind == kindTelling {
				s.tells(of, &m, now)
			} else {
				s.tellsAll(of, &m)
			}
		}
		for passed := time.Duration(0); passed <= c.after; passed += silentAfter + 1 {
			s.expire(now.Add(passed))
		}
		s.expire(now.Add(c.after))
		if got := s.certain(now.Add(c.after)); got != c.certain {
			t.Errorf("%s: certain = %v; want %v", c.name, got, c.certain)
		}
	}
}

func TestNodesThatTellNothingMayHaveClients(t *testing.T) {
	const keep = time.Hour
	s, now := newSources(keep), time.Now()
	for _, c := range []struct {
		after   time.Duration
		nodes   int
		certain bool
	}{
		{0, 1, true},
		{time.Second, 2, false}, // it may be about to tell
		{2 * time.Second, 1, true},
		{3 * time.Second, 2, false},
		{4*time.Second + silentAfter, 2, false},
		{5*time.Second + silentAfter, 1, false}, // its clients may come
		{6*time.Second + silentAfter + keep, 1, true},
	} {
		s.compare(c.nodes, now.Add(c.after))
		if got := s.certain(now.Add(c.after)); got != c.certain {
			t.Errorf("after %s with %d nodes: certain = %v; want %v", c.after, c.nodes, got, c.certain)
		}
	}
}

// TestANodeThatGoesIsNotMissed: it is there for a moment still, and has told all.
func TestANodeThatGoesIsNotMissed(t *testing.T) {
	const keep = time.Hour
	s, now := newSources(keep), time.Now()
	all, bye := message{kind: kindTellAll, run: "a", number: 2}, message{kind: kindTelling, run: "a", number: 3, bye: true}
	of, _ := s.hear(&all, now)
	s.tellsAll(of, &all)
	of, _ = s.hear(&bye, now)
	s.tells(of, &bye, now)
	for _, c := range []struct {
		after   time.Duration
		nodes   int
		certain bool
	}{
		{0, 2, true},
		{2 * silentAfter, 2, true}, // it stops for long
		{2*silentAfter + 1, 3, false},
		{2*silentAfter + 2, 1, true},
		{2*silentAfter + 3, 2, false}, // it is another
	} {
		s.compare(c.nodes, now.Add(c.after))
		if got := s.certain(now.Add(c.after)); got != c.certain {
			t.Errorf("after %s with %d nodes: certain = %v; want %v", c.after, c.nodes, got, c.certain)
		}
	}
	s.hear(&bye, now.Add(time.Minute))
	s.tells(of, &bye, now.Add(time.Minute))
	s.compare(2, now.Add(time.Minute+leftFor))
	if s.compare(2, now.Add(time.Minute+leftFor+1)); s.certain(now.Add(time.Minute + leftFor + 1)) {
		t.Error("a node that says that it goes, and stays, is not missed")
	}
}

func TestNodesThatComeBackOrAreTooMany(t *testing.T) {
	const keep = time.Hour
	s, now := newSources(keep), time.Now()
	all := message{kind: kindTellAll, run: "a", number: 2}
	of, isNew := s.hear(&all, now)
	if due := s.due(now); !isNew || len(due) != 1 || len(s.due(now)) != 0 || len(s.due(now.Add(allAfter))) != 1 {
		t.Errorf("asked for all: %q; want it once, and again when it does not come", due)
	}
	s.tellsAll(of, &all)
	if len(s.due(now.Add(keep))) != 0 {
		t.Error("a node that has told all is asked again")
	}
	s.expire(now.Add(silentAfter + 1))
	of, _ = s.hear(&all, now)
	if s.tellsAll(of, &all); !s.certain(now) {
		t.Error("a node that was frozen, and is back, is still missed")
	}
	for n := range 2 * mostSources {
		s.hear(&message{run: fmt.Sprint(n)}, now)
	}
	if s.expire(now.Add(2 * silentAfter)); len(s.here)+len(s.missing) > mostSources || s.certain(now.Add(3*silentAfter)) {
		t.Errorf("%d nodes are here and %d missing; want no more than %d", len(s.here), len(s.missing), mostSources)
	}
}
