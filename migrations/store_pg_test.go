package migrations

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"
)

func TestWhatIsStoredIsReplayedUntilItExpires(t *testing.T) {
	db, archive := archived(t)
	messages := []Message{
		{Event: "object", Payload: []byte(`{"x": 1}`)},
		{Event: "list", Payload: []byte(`[1, null]`)},
		{Event: "bytes", Payload: []byte{0, 255}, Binary: true},
		{Event: "no bytes", Payload: []byte{}, Binary: true},
	}
	for i, m := range messages {
		id, err := archive.Store(t.Context(), "room", m, time.Hour)
		if err != nil || len(id) != 36 {
			t.Fatalf("Store(%+v) = %q, %v; want an id", m, id, err)
		}
		messages[i].ID = id
	}
	if _, err := archive.Store(t.Context(), "room", Message{Event: "brief", Payload: []byte(`{}`)}, time.Microsecond); err != nil {
		t.Fatal(err)
	}
	got, err := archive.Newest(t.Context(), "room", time.Now().Add(-time.Minute), 25, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(messages, got); diff != "" {
		t.Errorf("replayed (-want +got):\n%s", diff)
	}
	var relayed int
	if err := db.Pool.QueryRow(t.Context(), `select count(*) from realtime.messages where not skip_broadcast or not private`).Scan(&relayed); err != nil || relayed > 0 {
		t.Errorf("%d rows would be sent once more (%v); want none", relayed, err)
	}
}

func TestWhatCannotBeStoredSaysWhy(t *testing.T) {
	db, archive := archived(t)
	for _, payload := range []string{`{"x":"\u0000"}`, `{"x":`, ``} {
		if _, err := archive.Store(t.Context(), "room", Message{Event: "e", Payload: []byte(payload)}, time.Hour); !errors.Is(err, ErrNotStorable) {
			t.Errorf("Store(%s) = %v; want %v", payload, err, ErrNotStorable)
		}
	}
	fine := Message{Event: "e", Payload: []byte(`{}`)}
	db.Exec(`drop view realtime.walcast_messages; alter table realtime.messages drop column skip_broadcast, drop column expires_at`) // as older ones of others are
	if _, err := archive.Store(t.Context(), "room", fine, time.Hour); !errors.Is(err, ErrCannotKeep) {
		t.Errorf("Store into a table of others = %v; want %v", err, ErrCannotKeep)
	}
	db.Exec(`select realtime.send('{}', 'sent', 'room')`)
	if got, err := archive.Newest(t.Context(), "room", time.Now().Add(-time.Minute), 25, nil); err != nil || len(got) != 1 {
		t.Errorf("Newest of such a table = %v, %v; want the message from SQL", got, err)
	}
	db.Exec(`drop table realtime.messages_default; do $$ declare r record; begin
		for r in select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'realtime.messages'::regclass loop
			execute format('drop table realtime.%I', r.relname); end loop; end $$`)
	db.Exec(`alter table realtime.messages add column skip_broadcast boolean, add column expires_at timestamp`)
	if _, err := archive.Store(t.Context(), "room", fine, time.Hour); !errors.Is(err, ErrNoPartition) {
		t.Errorf("Store without partitions = %v; want %v", err, ErrNoPartition)
	}
}

// A server whose role owns nothing stores and replays through the view that it was
// granted.
func TestWhoServesWithoutOwningStoresToo(t *testing.T) {
	db, _ := archived(t)
	role := db.Name + "_server"
	db.Exec("create role " + role + " login")
	t.Cleanup(func() { db.Exec("drop owned by " + role + "; drop role " + role) })
	if serving, err := GrantTo(t.Context(), connect(t, db, ""), role); err != nil || len(serving.Refused) > 0 {
		t.Fatalf("GrantTo = %+v, %v", serving, err)
	}
	config := db.Pool.Config().Copy()
	config.ConnConfig.User = role
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	archive := NewArchive(pool)
	want := Message{Event: "e", Payload: []byte(`{"x": 1}`)}
	if want.ID, err = archive.Store(t.Context(), "room", want, time.Hour); err != nil {
		t.Fatalf("Store: %v", err)
	}
	got, err := archive.Newest(t.Context(), "room", time.Now().Add(-time.Minute), 25, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Message{want}, got); diff != "" {
		t.Errorf("replayed (-want +got):\n%s", diff)
	}
}
