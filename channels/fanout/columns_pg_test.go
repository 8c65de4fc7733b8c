package fanout

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"walcast/internal/logtest"
	"walcast/replication/wal"
)

const grantedTables = `
	create table partly (id int primary key, open text, secret text, big int8);
	grant select (id, open, big) on partly to anon; grant select on partly to authenticated;
	create table keyless (id int primary key, note text); grant select (note) on keyless to anon;
	create table own (id int primary key, owner uuid, note text); alter table own replica identity full;
	grant select on own to authenticated; alter table own enable row level security;
	create policy own on own for select to authenticated using (owner = (current_setting('request.jwt.claims', true)::jsonb ->> 'sub')::uuid)`

func TestAPayloadHasTheColumnsThatTheRoleMaySee(t *testing.T) {
	f := newFixture(t, grantedTables)
	partly, keyless := f.Relation("partly"), f.Relation("keyless")
	bindings := `{"event":"*","schema":"public","table":"partly"},{"event":"*","schema":"public","table":"keyless"}`
	for _, c := range []struct {
		name string
		ask  ask
		want map[string]any
	}{
		{"a role with some columns", ask{bindings: bindings}, map[string]any{"id": 1.0, "open": "o", "big": 7.0}},
		{"a role with all", ask{bindings: bindings, role: "authenticated", claims: "{}"}, map[string]any{"id": 1.0, "open": "o", "secret": "s", "big": 7.0}},
		{"a selection", ask{bindings: `{"event":"*","schema":"public","table":"partly","select":["open","secret"]}`}, map[string]any{"id": 1.0, "open": "o"}},
		{"large numbers as text", ask{bindings: `{"event":"*","schema":"public","table":"partly","select":["big"],"int8":"string"}`}, map[string]any{"id": 1.0, "big": "7"}},
	} {
		b := newInbox()
		f.subscribe(b, c.ask, Start{})
		f.Commit(logtest.Insert(partly, "1", "o", "s", "7"))
		if diff := cmp.Diff(c.want, b.read(t, 1)[0].Payload.Data.Record); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
	b := newInbox()
	f.subscribe(b, ask{bindings: bindings}, Start{})
	f.Commit(logtest.Insert(keyless, "1", "x"))
	if got := b.read(t, 1)[0].Payload.Data; len(got.Record) > 0 || len(got.Errors) != 1 {
		t.Errorf("data without the key's grant = %+v; want an error and no record", got)
	}
}

// A filter on a column that the role may not see would tell of its values.
func TestAFilterOnAColumnWithoutAGrantShowsNothing(t *testing.T) {
	f := newFixture(t, grantedTables)
	rel := f.Relation("partly")
	b := newInbox()
	s := f.subscribe(b, ask{bindings: `{"event":"*","schema":"public","table":"partly","filter":"secret=eq.s"},
		{"event":"*","schema":"public","table":"partly","filter":"id=eq.2"}`}, Start{})
	f.Commit(logtest.Insert(rel, "1", "o", "s", "7"))
	f.Commit(logtest.Insert(rel, "2", "o", "s", "7"))
	f.waitSent(s)
	got := b.read(t, 1)
	if len(b.lines) != 1 || len(got[0].Payload.IDs) != 1 || got[0].Payload.Data.Record["id"] != 2.0 {
		t.Errorf("came %q, ids %v; want row 2 for one binding", b.lines, got[0].Payload.IDs)
	}
}

// The old row is shown in full only to subjects that could see it; others get its
// key.
func TestAnOldRowIsJudgedByItself(t *testing.T) {
	f := newFixture(t, grantedTables)
	rel := f.Relation("own")
	b := newInbox()
	f.subscribe(b, ask{role: "authenticated", claims: annsClaims, bindings: `{"event":"UPDATE","schema":"public","table":"own"}`}, Start{})
	f.Commit(
		&wal.Change{Operation: wal.Update, Relation: rel, Old: logtest.Row("1", ann, "before"), New: logtest.Row("1", ann, "after")},
		&wal.Change{Operation: wal.Update, Relation: rel, Old: logtest.Row("2", bob, "before"), New: logtest.Row("2", ann, "given")},
		&wal.Change{Operation: wal.Update, Relation: rel, Old: logtest.Row("3", ann, "before"), New: logtest.Row("3", bob, "taken")},
		&wal.Change{Operation: wal.Update, Relation: rel, Old: logtest.Row("4", ann, "before"), New: logtest.Row("4", ann, "after")},
	)
	want := []map[string]any{
		{"id": 1.0, "owner": ann, "note": "before"},
		{"id": 2.0},
		{"id": 4.0, "owner": ann, "note": "before"},
	}
	for i, p := range b.read(t, 3) {
		if diff := cmp.Diff(want[i], p.Payload.Data.Old); diff != "" {
			t.Errorf("old row %d (-want +got):\n%s", i, diff)
		}
	}
}

func TestLongValuesAreCutFromWhatIsTooLarge(t *testing.T) {
	f := newIdleFixture(t, messagesTable)
	f.config.MaxChangeBytes = 200
	f.renew()
	f.Changes.Begin(firstHistory, f.LSN, "")
	f.run()
	b := newInbox()
	f.subscribe(b, ask{bindings: everyRow}, Start{})
	long := make([]byte, 300)
	for i := range long {
		long[i] = 'x'
	}
	f.Commit(logtest.Insert(f.Relation("messages"), "1", "2", string(long)))
	got := b.read(t, 1)[0].Payload.Data
	if diff := cmp.Diff(map[string]any{"id": 1.0, "channel_id": 2.0}, got.Record); diff != "" || len(got.Errors) != 1 {
		t.Errorf("errors %q, record (-want +got):\n%s", got.Errors, diff)
	}
}
