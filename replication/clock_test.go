package replication

import (
	"context"
	"encoding/binary"
	"testing"
	"time"

	"walcast/internal/clock"
	"walcast/replication/changelog"
	"walcast/replication/pgoutput"
	"walcast/replication/wal"
)

func TestSilenceAndIdlenessGoByTheMonotonicClock(t *testing.T) {
	for _, jump := range clock.Jumps() {
		began := time.Now()
		m := newAtomicTime(began)
		later := clock.Set(t, began.Add(10*time.Second), jump)
		m.set(began.Add(4 * time.Second))
		if got := m.since(later); got != 6*time.Second {
			t.Errorf("the clock is set by %v: since = %v; want 6s", jump, got)
		}
		m.set(later)
		if got := m.since(began.Add(11 * time.Second)); got != time.Second {
			t.Errorf("the clock is set by %v and back: since = %v; want 1s", jump, got)
		}
		m.clear()
		if got := m.since(later); got != 0 {
			t.Errorf("since = %v of none; want 0", got)
		}
	}
}

// TestHeartbeatsAreToldApartThoughTheClockGoesBack would fail if an older heartbeat
// were taken for the one that is waited for.
func TestHeartbeatsAreToldApartThoughTheClockGoesBack(t *testing.T) {
	returned := uint64(time.Now().Add(time.Hour).UnixMicro()) // came when the clock was wrong
	h := &heartbeat{}
	first := h.next(time.Now(), returned)
	if first <= returned {
		t.Errorf("number %d would be taken for one that has come: %d", first, returned)
	}
	if second := h.next(time.Now().Add(-time.Hour), 0); second <= first {
		t.Errorf("number %d follows %d", second, first)
	}
}

// pgoutput messages: a table with a column id of type int4, which is its key,
// and a row of it.
const (
	relationMessage = "R\x00\x00\x4e\x20public\x00t\x00d\x00\x01\x01id\x00\x00\x00\x00\x17\xff\xff\xff\xff"
	insertMessage   = "I\x00\x00\x4e\x20N\x00\x01t\x00\x00\x00\x017"
)

// begin is the pgoutput message that begins a transaction.
func begin(commit wal.LSN, at time.Time) []byte {
	m := binary.BigEndian.AppendUint64([]byte{'B'}, uint64(commit))
	m = binary.BigEndian.AppendUint64(m, uint64(at.UnixMicro()-postgresEpoch))
	return binary.BigEndian.AppendUint32(m, 7)
}

// commit is the pgoutput message that ends it.
func commit(at, end wal.LSN) []byte {
	m := binary.BigEndian.AppendUint64([]byte{'C', 0}, uint64(at))
	m = binary.BigEndian.AppendUint64(m, uint64(end))
	return binary.BigEndian.AppendUint64(m, 0)
}

// TestCommitTimesMayJump reads transactions of a server whose clock does.
func TestCommitTimesMayJump(t *testing.T) {
	log := changelog.New(holding())
	log.Begin(changelog.History{System: "1", Timeline: 1, Slot: "s"}, 0x100, "")
	p := &progress{}
	p.begin(0x100)
	r := &receiver{
		intake: intake{
			appender: appender{
				log: log, metrics: newMetrics(nil, p, log), progress: p,
				lastTransaction: newAtomicTime(time.Now()), batch: batch{upTo: 0x100},
			},
			decoder: pgoutput.NewDecoder(nil), describer: &describer{seen: 7}, // the transaction that the messages are of
		},
		publisher: &publisher{}, acknowledger: &acknowledger{}, publications: &publicationWatch{},
	}
	r.own = r.takeOwn
	take := func(m []byte) {
		t.Helper()
		if err := r.takeWAL(t.Context(), append(make([]byte, walDataHeader), m...)); err != nil {
			t.Fatal(err)
		}
	}
	cursor := log.Follow()
	take(begin(0x180, time.Now()))
	take([]byte(relationMessage))
	take(commit(0x180, 0x190))
	for i, jump := range clock.Jumps() {
		at := wal.LSN(0x200 + 0x100*i)
		take(begin(at, time.Now().Add(jump)))
		take([]byte(insertMessage))
		take(commit(at, at+0x10))
	}
	r.appender.appendComplete()
	changes, err := cursor.Next(context.Background(), 0)
	changes = rowsOf(changes)
	if err != nil || len(changes) != len(clock.Jumps()) {
		t.Fatalf("Next = %d changes, %v; want %d", len(changes), err, len(clock.Jumps()))
	}
	for i, c := range changes {
		if want := (wal.Position{LSN: wal.LSN(0x200 + 0x100*i)}); c.Position != want {
			t.Errorf("change %d stands at %s; want %s", i, c.Position, want)
		}
	}
	if s := p.status(time.Now()); s.LagBytes != 0 || s.LagSeconds != 0 || s.Received != 0x510 {
		t.Errorf("status %+v; want all received up to 0/510, without a lag", s)
	}
}
