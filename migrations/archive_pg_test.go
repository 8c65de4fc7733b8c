package migrations

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"walcast/internal/devdb"
)

func archived(t *testing.T) (*devdb.DB, *Archive) {
	t.Helper()
	db := devdb.Open(t)
	devdb.SupabaseRoles(db)
	if _, err := Apply(t.Context(), connect(t, db, ""), slog.New(slog.DiscardHandler)); err != nil {
		t.Fatalf("Apply: %v", err)
	}
	return db, NewArchive(db.Pool)
}

func TestNewestOfATopic(t *testing.T) {
	db, archive := archived(t)
	db.Exec(`insert into realtime.messages (topic, extension, payload, event, private, inserted_at)
		select 'room', 'broadcast', to_jsonb(n), 'e' || n, true, (now() at time zone 'UTC') - (10 - n) * interval '1 minute' from generate_series(1, 9) n`)
	db.Exec(`insert into realtime.messages (topic, extension, payload, binary_payload, event, private) values
		('room', 'broadcast', '{}', null, 'public', false), ('room', 'presence', '{}', null, 'presence', true),
		('elsewhere', 'broadcast', '{}', null, 'elsewhere', true), ('room', 'broadcast', null, null, 'nothing', true),
		('room', 'broadcast', '{}', null, null, true), ('room', 'broadcast', null, '\x00ff', 'bytes', true)`)
	// Of one transaction all have the same time: the order is that of sending.
	db.Exec(`select realtime.send(jsonb_build_object('n', n), 'sent' || n, 'room') from generate_series(1, 3) n`)
	for _, c := range []struct {
		since time.Duration
		limit int
		want  []string
	}{
		{time.Hour, 25, []string{"e1", "e2", "e3", "e4", "e5", "e6", "e7", "e8", "e9", "bytes", "sent1", "sent2", "sent3"}},
		{time.Hour, 4, []string{"bytes", "sent1", "sent2", "sent3"}},
		{150 * time.Second, 25, []string{"e8", "e9", "bytes", "sent1", "sent2", "sent3"}},
		{-time.Hour, 25, nil},
	} {
		messages, err := archive.Newest(t.Context(), "room", time.Now().Add(-c.since), c.limit, nil)
		if err != nil {
			t.Fatalf("Newest: %v", err)
		}
		var got []string
		for _, m := range messages {
			got = append(got, m.Event)
			if m.Binary != (m.Event == "bytes") || m.Binary && string(m.Payload) != "\x00\xff" || len(m.ID) != 36 {
				t.Errorf("message %+v", m)
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("newest %d since %s (-want +got):\n%s", c.limit, c.since, diff)
		}
	}
}

func TestNewestWaitsForWhatIsCommitted(t *testing.T) {
	db, archive := archived(t)
	conn := connect(t, db, "")
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var id string
	const send = `insert into realtime.messages (topic, extension, payload, event, private) values ('room', 'broadcast', '{}', 'late', true) returning id::text`
	if err := tx.QueryRow(t.Context(), send).Scan(&id); err != nil {
		t.Fatal(err)
	}
	type result struct {
		messages []Message
		err      error
	}
	done := make(chan result, 1)
	go func() {
		messages, err := archive.Newest(context.WithoutCancel(t.Context()), "room", time.Now().Add(-time.Hour), 25, []string{id})
		done <- result{messages, err}
	}()
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := <-done
	if got.err != nil || len(got.messages) != 1 || got.messages[0].ID != id {
		t.Errorf("Newest = %+v, %v; want the message %s", got.messages, got.err, id)
	}
}

func TestNewestGivesUpWaiting(t *testing.T) {
	_, archive := archived(t)
	messages, err := archive.Newest(t.Context(), "room", time.Now(), 25, []string{"00000000-0000-4000-8000-000000000000"})
	if err != nil || len(messages) != 0 {
		t.Errorf("Newest = %v, %v; want none", messages, err)
	}
}
