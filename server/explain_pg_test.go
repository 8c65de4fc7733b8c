package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"walcast/diagnose/explain"
	"walcast/internal/devdb"
)

// explained asks a server a question.
func (s *running) explained(t *testing.T, q explain.Question, role string) (status int, a explain.Answer, body string) {
	t.Helper()
	encoded, err := json.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	status, body = s.api(t, http.MethodPost, "/api/explain", role, bytes.NewReader(encoded), &a)
	return status, a, body
}

// TestTheAPIExplainsWhoGetsARow of a running server, with a token that it verifies.
func TestTheAPIExplainsWhoGetsARow(t *testing.T) {
	t.Parallel()
	db := devdb.Open(t)
	devdb.SupabaseRoles(db)
	db.Exec(`create table notes (id int primary key, owner uuid, note text); grant select on notes to authenticated; alter table notes enable row level security;
		create policy own on notes for select using (owner = auth.uid()); create publication supabase_realtime for table notes`)
	s := startServer(t, configFor(db))
	token := signed("authenticated", userID(1))
	ask := func(owner string) explain.Question {
		return explain.Question{Table: "notes", Event: "INSERT", Filter: "note=eq.a", Token: token, Row: json.RawMessage(`{"id": 1, "owner": "` + owner + `", "note": "a"}`)}
	}
	status, a, body := s.explained(t, ask(userID(1)), "service_role")
	if status != http.StatusOK || a.Gets != explain.GetsRow || a.Visibility.How != explain.ByCompiled || a.Match[0].By != "hash" {
		t.Errorf("of a row of its own it answers %d with %s", status, body)
	}
	if strings.Contains(body, token) || !strings.Contains(body, userID(1)) {
		t.Errorf("it tells the token, or not whom it is of: %s", body)
	}
	status, a, body = s.explained(t, ask(userID(2)), "service_role")
	if status != http.StatusOK || a.Gets != explain.GetsNothing || len(a.Because) != 1 || !strings.Contains(a.Because[0], "no permissive policy lets it be seen: own") {
		t.Errorf("of a row of another it answers %d with %s", status, body)
	}
	bad := ask(userID(1))
	bad.Token += "x"
	status, a, body = s.explained(t, bad, "service_role")
	if status != http.StatusOK || a.Gets != explain.GetsNothing || !strings.Contains(body, "Failed to validate JWT signature") {
		t.Errorf("of a bad token it answers %d with %s", status, body)
	}
	bad.Table = ""
	if status, _, body = s.explained(t, bad, "service_role"); status != http.StatusBadRequest || !strings.Contains(body, "want a table as schema.table") {
		t.Errorf("of a question without a table it answers %d with %s", status, body)
	}
	if status, _, body = s.explained(t, ask(userID(1)), "authenticated"); status != http.StatusForbidden || strings.Contains(body, "own") {
		t.Errorf("another role is answered %d with %s", status, body)
	}
}

// TestWhatIsExplainedIsWhatIsDelivered: of many rows the client gets those, and no others,
// of which it is said that it would.
func TestWhatIsExplainedIsWhatIsDelivered(t *testing.T) {
	t.Parallel()
	db := devdb.Open(t)
	devdb.SupabaseRoles(db)
	db.Exec(`create table members (org text, who uuid); insert into members values ('a', '` + userID(1) + `'), (null, '` + userID(2) + `'); grant select on members to authenticated;
		create table compiled (id int primary key, owner uuid, note text, hidden boolean); create table asked (id int primary key, org text, note text, hidden boolean);
		create table open (id int primary key, owner uuid, note text, hidden boolean); create table ends (id int primary key);
		grant select on compiled, asked, open, ends to authenticated; alter table compiled enable row level security; alter table asked enable row level security;
		create policy own on compiled for select using (owner = auth.uid()); create policy shared on compiled for select using (note = 'c');
		create policy "not hidden" on compiled as restrictive for select using (not hidden);
		create policy "by org" on asked for select using (org in (select org from members where who = auth.uid())); create policy quiet on asked as restrictive for select using (not coalesce(hidden, false));
		create publication supabase_realtime for table compiled, asked, open, ends`)
	s := startServer(t, configFor(db))
	filters := map[string]string{"compiled": "note=in.(a,c)", "asked": "note=match.(?=a|c)", "open": "or=(note.is.null,hidden.is.true)"}
	bindings := []string{`{"event":"INSERT","schema":"public","table":"ends"}`}
	for table, filter := range filters {
		bindings = append(bindings, fmt.Sprintf(`{"event":"INSERT","schema":"public","table":%q,"filter":%q}`, table, filter))
	}
	var inserts []string
	said, id := map[string]bool{}, 0
	for table, filter := range filters {
		first, values := "owner", []string{`"` + userID(1) + `"`, `"` + userID(2) + `"`, "null"}
		if table == "asked" {
			first, values = "org", []string{`"a"`, `"b"`, "null"}
		}
		for _, value := range values {
			for _, rest := range []string{`"note":"a","hidden":false`, `"note":"b","hidden":true`, `"note":"c","hidden":null`, `"note":null,"hidden":false`} {
				id++
				row := fmt.Sprintf(`{"id":%d,%q:%s,%s}`, id, first, value, rest)
				inserts = append(inserts, fmt.Sprintf("insert into %s select * from json_populate_record(null::%[1]s, '%s')", table, row))
				status, a, body := s.explained(t, explain.Question{Table: table, Filter: filter, Event: "INSERT", Token: signed("authenticated", userID(1)), Row: json.RawMessage(row)}, "service_role")
				if status != http.StatusOK {
					t.Fatalf("of %s in %s it answers %d with %s", row, table, status, body)
				}
				said[fmt.Sprint(id)] = a.IsGot()
			}
		}
	}
	c := s.user(t, "authenticated", userID(1), "")
	c.joinWith("realtime:room", strings.Join(bindings, ","))
	db.Exec(strings.Join(append(inserts, "insert into ends values (1000)"), ";"))
	got := map[string]bool{}
	for line := c.change(); line != "INSERT 1000"; line = c.change() {
		got[strings.TrimPrefix(line, "INSERT ")] = true
	}
	for id, is := range said {
		if got[id] != is {
			t.Errorf("of row %s it is said that the client gets it: %t; it came: %t", id, is, got[id])
		}
	}
	if len(got) < 8 || len(said) != 36 {
		t.Errorf("%d rows came of %d; want some, and not all", len(got), len(said))
	}
}
