package migrations

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"walcast/internal/devdb"
)

// sent is a row of realtime.messages as its readers see it.
type sent struct {
	Topic, Extension, Event string
	Private                 bool
	Payload                 string // without the id that send adds; hex for bytes
	IDInPayload             bool
}

func readSent(t *testing.T, conn *pgx.Conn) []sent {
	t.Helper()
	rows, err := conn.Query(t.Context(), `
		select topic, extension, event, private,
			coalesce((case when payload ->> 'id' = id::text then payload - 'id' else payload end)::text, binary_payload::text),
			coalesce(payload ->> 'id' = id::text, false)
		from realtime.messages order by inserted_at, id`)
	if err != nil {
		t.Fatalf("read messages: %v", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[sent])
	if err != nil {
		t.Fatalf("read messages: %v", err)
	}
	return all
}

// sending is a database with the schema, its owner's connection, and what the
// server warned of.
func sending(t *testing.T) (db *devdb.DB, conn *pgx.Conn, warnings *[]string) {
	t.Helper()
	db, _ = ownedDB(t)
	devdb.SupabaseRoles(db)
	warnings = new([]string)
	conn = connectNoticing(t, db, db.Name+"_owner", func(text string) { *warnings = append(*warnings, text) })
	mustApply(t, conn)
	*warnings = nil
	return db, conn, warnings
}

func TestSendStoresAMessage(t *testing.T) {
	for _, c := range []struct {
		name, call string
		want       sent
	}{
		{
			"private by default", `realtime.send('{"a": 1}', 'ev', 'room')`,
			sent{Topic: "room", Extension: "broadcast", Event: "ev", Private: true, Payload: `{"a": 1}`, IDInPayload: true},
		},
		{
			"public, by names", `realtime.send(payload => '{"n": 1.50}', event => 'ev', topic => 'room', private => false)`,
			sent{Topic: "room", Extension: "broadcast", Event: "ev", Payload: `{"n": 1.50}`, IDInPayload: true},
		},
		{
			"own id", `realtime.send('{"id": "mine"}', '', 'a''b"c')`,
			sent{Topic: `a'b"c`, Extension: "broadcast", Private: true, Payload: `{"id": "mine"}`},
		},
		{
			"bytes", `realtime.send_binary('\xdead00ff', 'raw', 'room', false)`,
			sent{Topic: "room", Extension: "broadcast", Event: "raw", Payload: `\xdead00ff`},
		},
		{
			"no bytes", `realtime.send_binary('', 'empty', 'room')`,
			sent{Topic: "room", Extension: "broadcast", Event: "empty", Private: true, Payload: `\x`},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, conn, warnings := sending(t)
			var topic string
			err := pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
				if _, err := tx.Exec(t.Context(), "select "+c.call); err != nil {
					return err
				}
				return tx.QueryRow(t.Context(), "select realtime.topic()").Scan(&topic)
			})
			if err != nil || len(*warnings) > 0 {
				t.Fatalf("%s: %v, warnings %q", c.call, err, *warnings)
			}
			if diff := cmp.Diff([]sent{c.want}, readSent(t, conn)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.call, diff)
			}
			if topic != c.want.Topic {
				t.Errorf("realtime.topic() = %q in the transaction; want %q", topic, c.want.Topic)
			}
			if err := conn.QueryRow(t.Context(), "select coalesce(realtime.topic(), 'none')").Scan(&topic); err != nil || topic != "none" {
				t.Errorf("realtime.topic() = %q, %v after it; want null", topic, err)
			}
		})
	}
}

func TestSendRefusesWhatNobodyWouldGet(t *testing.T) {
	_, conn, warnings := sending(t)
	for _, c := range []struct{ call, code, message string }{
		{`realtime.send('[1,2]', 'e', 't')`, "22023", `message "e" to topic "t": payload is a JSON array, not a JSON object`},
		{`realtime.send('5', 'e', 't')`, "22023", `message "e" to topic "t": payload is a JSON number, not a JSON object`},
		{`realtime.send('null', 'e', 't')`, "22023", `message "e" to topic "t": payload is a JSON null, not a JSON object`},
		{`realtime.send(null, 'e', 't')`, "22023", `message "e" to topic "t": payload is null, not a JSON object`},
		{`realtime.send('{}', null, 't')`, "22004", `message to topic "t" without an event`},
		{`realtime.send('{}', 'e', null)`, "22004", `message without a topic`},
		{`realtime.send('{}', 'e', '')`, "22004", `message without a topic`},
		{`realtime.send('{}', 'e', 't', null)`, "22004", `message to topic "t" that is neither private nor public`},
		{`realtime.send('{"n": 1e400}', 'e', 't')`, "22003", `message "e" to topic "t": payload has a number that a double cannot hold`},
		{`realtime.send('{"a": [{"n": -1e400}]}', 'e', 't')`, "22003", `message "e" to topic "t": payload has a number that a double cannot hold`},
		{`realtime.send(jsonb_build_object('n', 2::numeric ^ 1024 - 2::numeric ^ 970), 'e', 't')`, "22003", `a number that a double cannot hold`},
		{`realtime.send_binary(null, 'e', 't')`, "22004", `message "e" to topic "t": payload is null`},
		{`realtime.send_binary('', null, 't')`, "22004", `message to topic "t" without an event`},
	} {
		_, err := conn.Exec(t.Context(), "select "+c.call)
		wantPgError(t, c.call, err, c.code, c.message)
	}
	if got := readSent(t, conn); len(got) > 0 || len(*warnings) > 0 {
		t.Errorf("refused messages left %+v, warnings %q", got, *warnings)
	}
	if _, err := conn.Exec(t.Context(), `select realtime.send('{}', 'e', 'realtime:t')`); err != nil || len(*warnings) != 1 {
		t.Errorf("send with a prefixed topic: %v, warnings %q; want one warning", err, *warnings)
	}
}

// TestSendTakesTheLargestNumbers that are not rounded to infinity, as deep as they may be.
func TestSendTakesTheLargestNumbers(t *testing.T) {
	_, conn, _ := sending(t)
	sends := []string{
		`realtime.send(jsonb_build_object('n', 2::numeric ^ 1024 - 2::numeric ^ 970 - 1), 'e', 't')`,
		`realtime.send(jsonb_build_object('a', jsonb_build_array(-(2::numeric ^ 1024 - 2::numeric ^ 970 - 1))), 'e', 't')`,
		`realtime.send('{"n": 1e-400, "t": "1e400", "1e400": null}', 'e', 't')`,
	}
	for _, call := range sends {
		if _, err := conn.Exec(t.Context(), "select "+call); err != nil {
			t.Errorf("%s: %v", call, err)
		}
	}
	sent := readSent(t, conn)
	if len(sent) != len(sends) {
		t.Fatalf("%d messages; want %d", len(sent), len(sends))
	}
	for _, m := range sent {
		var doubles any
		if err := json.Unmarshal([]byte(m.Payload), &doubles); err != nil {
			t.Errorf("payload %.30s is delivered to nobody: %v", m.Payload, err)
		}
	}
}

func wantPgError(t *testing.T, what string, err error, code, message string) {
	t.Helper()
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || pgErr.Code != code || !strings.Contains(pgErr.Message, message) {
		t.Errorf("%s = %v; want %s %s", what, err, code, message)
	}
}

func TestSendObeysPolicies(t *testing.T) {
	db, conn, _ := sending(t)
	db.Exec(`create policy rooms on realtime.messages for insert to authenticated
		with check (realtime.topic() = 'mine' and extension = 'broadcast')`)
	as := func(role, call string) error {
		return pgx.BeginFunc(t.Context(), connect(t, db, ""), func(tx pgx.Tx) error {
			if _, err := tx.Exec(t.Context(), "set local role "+role); err != nil {
				return err
			}
			_, err := tx.Exec(t.Context(), "select "+call)
			return err
		})
	}
	if err := as("authenticated", `realtime.send('{}', 'e', 'mine')`); err != nil {
		t.Errorf("send with a policy: %v", err)
	}
	wantPgError(t, "send to another topic", as("authenticated", `realtime.send('{}', 'e', 'theirs')`),
		"42501", `new row violates row-level security policy for table "messages"`)
	wantPgError(t, "send without a policy", as("anon", `realtime.send_binary('', 'e', 'mine')`),
		"42501", `new row violates row-level security policy for table "messages"`)
	wantPgError(t, "upkeep", as("authenticated", `realtime.walcast_upkeep()`), "42501", "permission denied for function walcast_upkeep")
	if got := readSent(t, conn); len(got) != 1 {
		t.Errorf("messages are %+v; want the permitted one", got)
	}
}

const triggerOn = `
	create table public.items (id int primary key, v text, j jsonb);
	create function public.items_changed() returns trigger language plpgsql as $$ begin
		perform realtime.broadcast_changes('items:' || coalesce(new.id, old.id), tg_op, tg_op, tg_table_name, tg_table_schema, new, old);
		return null;
	end $$;
	create trigger changed after insert or update or delete on public.items for each row execute function public.items_changed();`

func TestBroadcastChangesSendsRows(t *testing.T) {
	_, conn, warnings := sending(t)
	if _, err := conn.Exec(t.Context(), `create schema if not exists work; set search_path = work;`+strings.ReplaceAll(triggerOn, "public.", "work.")); err != nil {
		t.Fatalf("create trigger: %v", err)
	}
	for _, sql := range []string{
		`insert into work.items values (1, 'v', '{"b": 1}')`,
		`update work.items set v = 'w'`,
		`delete from work.items`,
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	row := func(event, record, old string) sent {
		return sent{
			Topic: "items:1", Extension: "broadcast", Event: event, Private: true, IDInPayload: true,
			Payload: fmt.Sprintf(`{"table": "items", "record": %s, "schema": "work", "operation": "%s", "old_record": %s}`, record, event, old),
		}
	}
	v, w := `{"j": {"b": 1}, "v": "v", "id": 1}`, `{"j": {"b": 1}, "v": "w", "id": 1}`
	want := []sent{row("INSERT", v, "null"), row("UPDATE", w, v), row("DELETE", "null", w)}
	if diff := cmp.Diff(want, readSent(t, conn)); diff != "" || len(*warnings) > 0 {
		t.Errorf("warnings %q; messages (-want +got):\n%s", *warnings, diff)
	}
}

func TestBroadcastChangesFailsTheStatementOfAMisuse(t *testing.T) {
	_, conn, _ := sending(t)
	for _, c := range []struct{ arguments, code, message string }{
		{`'t', 'e', 'TRUNCATE', 'x', 'public', null, null`, "P0001", "Failed to process the row: Unexpected operation type: TRUNCATE"},
		{`'t', 'e', null, 'x', 'public', null, null`, "P0001", "Failed to process the row: Unexpected operation type: <NULL>"},
		{`'t', 'e', 'INSERT', 'x', 'public', null, null, 'STATEMENT'`, "P0001", "Failed to process the row: function can only be triggered for each row, not for each statement"},
		{`null, 'e', 'INSERT', 'x', 'public', null, null`, "22004", "message without a topic"},
	} {
		_, err := conn.Exec(t.Context(), "select realtime.broadcast_changes("+c.arguments+")")
		wantPgError(t, c.arguments, err, c.code, c.message)
	}
}

// TestATriggerNeverKeepsARowFromBeingWritten by what its message is, or by who writes the row.
func TestATriggerNeverKeepsARowFromBeingWritten(t *testing.T) {
	const insert = "insert into public.items values "
	for _, c := range []struct{ name, alter, write, message, warning string }{
		{
			"a number beyond doubles", "", insert + `(1, 'v', '{"n": [1, 1e400], "o": {"n": -1e400}, "t": "x"}')`,
			fmt.Sprintf(`{"j": {"n": [1, "%[1]s"], "o": {"n": "-%[1]s"}, "t": "x"}, "v": "v", "id": 1}`, "1"+strings.Repeat("0", 400)), "",
		},
		{
			"json that is no jsonb", "alter table public.items alter j type json", insert + `(1, 'v', '{"a": "\u0000"}')`, "",
			`message "INSERT" to topic "items:1" is not sent: unsupported Unicode escape sequence`,
		},
		{
			"json with a number beyond numeric", "alter table public.items alter j type json", insert + `(1, 'v', '{"a": 1e2000000}')`, "",
			`message "INSERT" to topic "items:1" is not sent: value overflows numeric format`,
		},
		{
			"deep json with a number beyond doubles", "", insert + `(1, 'v', (repeat('[', 3000) || '1e400' || repeat(']', 3000))::jsonb)`, "",
			`message "INSERT" to topic "items:1" is not sent: stack depth limit exceeded`,
		},
		{
			"no topic", "alter table public.items drop constraint items_pkey; alter table public.items alter id drop not null", insert + `(null)`, "",
			`message "INSERT" to topic "<NULL>" is not sent: message without a topic`,
		},
		{
			"a long topic", "alter table public.items drop constraint items_pkey; alter table public.items alter id type text", insert + "((select string_agg(md5(n::text), '') from generate_series(1, 200) n))", "",
			`is not sent: message to a topic of 6406 bytes`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			db, conn, warnings := sending(t)
			db.Exec(triggerOn + c.alter + "; grant all on public.items to public")
			*warnings = nil
			if _, err := conn.Exec(t.Context(), c.write); err != nil {
				t.Fatalf("%.80s: %v; want the row to be written", c.write, err)
			}
			var messages []string
			for _, m := range readSent(t, conn) {
				messages = append(messages, m.Payload)
			}
			got := strings.Join(messages, "\n")
			if c.message == "" && got != "" || !strings.Contains(got, c.message) {
				t.Errorf("messages are %.300s; want %.300s", got, c.message)
			}
			if said := strings.Join(*warnings, "\n"); c.warning == "" && said != "" || !strings.Contains(said, c.warning) {
				t.Errorf("warnings are %q; want %q", said, c.warning)
			}
		})
	}
}

// TestATriggerWithoutTheRightToSendWrites the row of a user whom no policy, or no grant, lets send.
func TestATriggerWithoutTheRightToSendWrites(t *testing.T) {
	db, conn, _ := sending(t)
	bypass := db.Name + "_bypass"
	db.Exec(triggerOn + "grant all on public.items to public; create role " + bypass + " bypassrls; grant usage on schema realtime to " + bypass)
	for _, role := range []string{"authenticated", bypass} {
		var said []string
		err := pgx.BeginFunc(t.Context(), connectNoticing(t, db, "", func(text string) { said = append(said, text) }), func(tx pgx.Tx) error {
			_, err := tx.Exec(t.Context(), "set local role "+role+"; insert into public.items values (1); delete from public.items")
			return err
		})
		if err != nil || len(said) != 2 || !strings.Contains(said[0], `message "INSERT" to topic "items:1" is not sent: `) {
			t.Errorf("rows written as %s: %v, warnings %q; want one for each message", role, err, said)
		}
	}
	if got := readSent(t, conn); len(got) > 0 {
		t.Errorf("messages are %+v; want none", got)
	}
}

// TestATriggerSendsInFewSubtransactions: those with an id of their own burden every snapshot of the server.
func TestATriggerSendsInFewSubtransactions(t *testing.T) {
	db, conn, _ := sending(t)
	db.Exec(triggerOn + "grant all on public.items to public")
	var before, after uint64
	err := pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
		const next = "select pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
		if err := tx.QueryRow(t.Context(), next).Scan(&before); err != nil {
			return err
		}
		if _, err := tx.Exec(t.Context(), "insert into public.items select n from generate_series(1, 1000) n"); err != nil {
			return err
		}
		return connect(t, db, "").QueryRow(t.Context(), next).Scan(&after)
	})
	if err != nil || after-before > 500 {
		t.Errorf("%d ids of transactions for 1000 rows, %v; want a few", after-before, err)
	}
}
