package resume

import (
	"strings"
	"testing"
	"time"

	"walcast/replication/changelog"
	"walcast/replication/wal"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// at is a standing of one history.
func at(lsn wal.LSN) changelog.Standing {
	return changelog.Standing{History: changelog.History{System: "1", Slot: "walcast"}, Position: wal.Position{LSN: lsn}}
}

func of(client string) Key { return Key{Client: client, Topic: "realtime:room"} }

// visited is a client that came, proved that it has everything up to lsn, and left.
func visited(s *records, client string, lsn wal.LSN, now time.Time) {
	r, _, _ := s.take(of(client), Fingerprint{}, &Bookmark{}, Found{}, now)
	r.start(at(1))
	r.prove(at(lsn), 0)
	s.release(r, now)
}

func TestRecordsAreBoundedAndWhatIsDroppedIsNotTakenForNew(t *testing.T) {
	for _, test := range []struct {
		name         string
		limit, bytes int
		want         []Memory // of clients a, b, c and of one that never came
	}{
		{"number", 2, 1 << 20, []Memory{Forgotten, Remembered, Remembered, Forgotten}},
		{"bytes", 10, 900, []Memory{Forgotten, Remembered, Remembered, Forgotten}},
		{"enough for all", 3, 1 << 20, []Memory{Remembered, Remembered, Remembered, Fresh}},
	} {
		s := newRecords(test.limit, test.bytes, time.Hour)
		for i, client := range []string{"a", "b", "c"} {
			visited(s, client, 10, noon.Add(time.Duration(i)*time.Second))
		}
		for i, client := range []string{"a", "b", "c", "d"} {
			if _, got, _ := s.take(of(client), Fingerprint{}, &Bookmark{}, Found{}, noon.Add(time.Minute)); got != test.want[i] {
				t.Errorf("%s: client %s is %v; want %v", test.name, client, got, test.want[i])
			}
		}
		if s.bytes != 0 || s.away.Len() != 0 {
			t.Errorf("%s: %d records of %d bytes are away when everybody is here", test.name, s.away.Len(), s.bytes)
		}
	}
}

func TestRecordsExpire(t *testing.T) {
	s := newRecords(10, 1<<20, time.Hour)
	visited(s, "a", 10, noon)
	if _, got, _ := s.take(of("a"), Fingerprint{}, &Bookmark{}, Found{}, noon.Add(time.Hour+time.Second)); got != Fresh {
		t.Errorf("after its time the client is %v; want fresh", got)
	}
	if len(s.known) != 1 {
		t.Errorf("%d records are left; want that of the client alone", len(s.known))
	}
}

func TestLostRecordsMatterForAsLongAsTheyWouldHaveBeenKept(t *testing.T) {
	s := newRecords(10, 1<<20, time.Hour)
	s.unsureUntil = noon
	for i, want := range []Memory{Forgotten, Fresh} {
		now := noon.Add(time.Duration(2*i-1) * time.Second)
		if _, got, _ := s.take(of(now.String()), Fingerprint{}, &Bookmark{}, Found{}, now); got != want {
			t.Errorf("a client at %s is %v; want %v", now, got, want)
		}
	}
}

func TestWhatAnEarlierRunHasLeftHoldsForTheSameBindingsOnly(t *testing.T) {
	for _, test := range []struct {
		name        string
		bindings    Fingerprint
		unsureUntil time.Time
		want        Memory
	}{
		{"same after a kill", Fingerprint{1}, noon.Add(time.Hour), Remembered},
		{"changed after a kill: perhaps before it", Fingerprint{2}, noon.Add(time.Hour), Forgotten},
		{"changed after a stop", Fingerprint{2}, time.Time{}, Fresh},
	} {
		s := newRecords(10, 1<<20, time.Hour)
		s.restore(&record{Key: of("a"), bindings: Fingerprint{1}, receipt: receipt{proven: at(10)}, restored: true, left: noon})
		s.unsureUntil = test.unsureUntil
		if _, got, _ := s.take(of("a"), test.bindings, &Bookmark{}, Found{}, noon); got != test.want {
			t.Errorf("%s: %v; want %v", test.name, got, test.want)
		}
	}
}

func TestRecordsAreBoundedInBytesWhateverTheirKeys(t *testing.T) {
	c := newClients()
	c.records.limit = 1 << 20
	long := strings.Repeat("x", 30_000)
	var here []*Bookmark
	come := func(i int) *Bookmark {
		b, _ := c.Take(Key{Client: long[:20_000+i], Topic: long, Role: long, Sub: long}, Fingerprint{}, Found{}, noon)
		return b
	}
	for i := range 1000 { // 110 MB, were it kept
		come(i).Leave(noon)
		here = append(here, come(1000+i))
	}
	if topics, bytes := c.size(); bytes > memoryBytes || topics < 100 {
		t.Errorf("%d records take %d bytes; want hundreds within %d", topics, bytes, memoryBytes)
	}
	if _, saved := c.collect(noon, false); len(saved) > memoryBytes/(2*len(long)) {
		t.Errorf("%d records are saved; want those within %d bytes, also of clients that are here", len(saved), memoryBytes)
	}
	c.Expire(noon.Add(2 * time.Hour))
	if topics, bytes := c.size(); topics != 0 || bytes != 0 {
		t.Errorf("%d records of %d bytes outlive their time; want none", topics, bytes)
	}
	here[0].Leave(noon) // it was saved already
}
