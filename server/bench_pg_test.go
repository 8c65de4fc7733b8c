package server

import "testing"

// The benchmarks at a small size.

func TestBurstReachesEverySubscriber(t *testing.T) {
	const subscribers, rows = 5, 500
	const byTheClock = 60 // statements at most that do not depend on rows: the catalog is read again at times
	for kind := range audiences {
		t.Run(kind, func(t *testing.T) {
			s := serveForBench(t)
			a := s.gather(kind, subscribers)
			defer a.leave()
			others := summonOthers(s, kind, subscribers, 2*subscribers)
			defer others.leave()
			a.burst(subscribers)
			got := a.burst(rows)
			share := int64(1 + rows/subscribers)
			if got.Frames != rows+subscribers || got.Least != share || got.Most != share {
				t.Errorf("got %d rows, %d to %d each; want %d, %d each", got.Frames, got.Least, got.Most, rows+subscribers, share)
			}
			if asked := kind == "asked"; asked && got.statements == 0 || !asked && got.statements > byTheClock {
				t.Errorf("Postgres was asked %d times, want it only if the policy needs it", got.statements)
			}
		})
	}
}

func TestSessionsJoinOursAndBare(t *testing.T) {
	ours, bare := serveForBench(t).Addr(), serveBare(t).ln.Addr().String()
	for kind := range tokensOf {
		if a, b := connectAndJoin(t, kind, ours, 20), connectAndJoin(t, kind, bare, 20); a <= 0 || b <= 0 {
			t.Errorf("%s: %s and, bare, %s; want some time for both", kind, a, b)
		}
	}
}

func TestMembersMeet(t *testing.T) {
	const members = 20
	got := serveForBench(t).meet(members)
	if got.Frames < members || got.Most > 2*members || got.Met == 0 {
		t.Errorf("met after %g ms and %d frames, %d at most for one; want some for everybody", got.Met, got.Frames, got.Most)
	}
}

func TestEachTransactionHasItsRow(t *testing.T) {
	s := serveForBench(t)
	for _, kind := range []string{"eq", "own"} {
		m := s.listener(kind)
		defer m.conn.Close()
		const rate = 10 * rowsOfTransaction
		got := s.flow(m, kind, rate)
		if want := int(accessRound.Seconds() * rate); got.rows != want || len(got.took) != want/rowsOfTransaction {
			t.Errorf("%s: %d rows and %d of one client; want %d, one in %d", kind, got.rows, len(got.took), want, rowsOfTransaction)
		}
		if got.looks == 0 {
			t.Errorf("%s: no look at what access depends on", kind)
		}
	}
}

func TestEqualSnapshotsShareAQuery(t *testing.T) {
	s := serveForBench(t)
	s.fill(300)
	if ours, bare := s.snapshots(1), s.copyOut(); ours <= 0 || bare <= 0 {
		t.Errorf("a snapshot took %s and COPY %s; want some time for both", ours, bare)
	}
	asked := s.queriesOfSnapshots()
	s.snapshots(20)
	if got := s.queriesOfSnapshots() - asked; got < 1 || got > 3 { // the last clients may join after the 100 ms of the first query
		t.Errorf("20 clients that joined at once took %d queries; want one", got)
	}
}
