package server

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"walcast/diagnose/doctor"
	"walcast/internal/await"
	"walcast/internal/devdb"
)

// brokenDatabase has a table whose UPDATE fails, which the reader logs by itself, and one
// that no client may read.
func brokenDatabase(t *testing.T) *devdb.DB {
	t.Helper()
	db := devdb.Open(t)
	devdb.SupabaseRoles(db)
	db.Exec(`create table keyless (id int); grant select on keyless to anon, authenticated; create table hidden (id int primary key);
		create publication supabase_realtime for table keyless, hidden`)
	return db
}

// TestAStartSaysWhatIsWrongWithTheDatabase after it is ready, a line for each finding with
// its cure, and nothing twice.
func TestAStartSaysWhatIsWrongWithTheDatabase(t *testing.T) {
	t.Parallel()
	db := brokenDatabase(t)
	out := await.NewOutput()
	s := launchLogging(t, configFor(db), slog.New(slog.NewTextHandler(out, nil)))
	s.await(t)
	if strings.Contains(out.String(), "component=doctor") {
		t.Error("the database was examined before the server was ready")
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	log := out.Text(ctx, t, "code=not_granted")
	for _, want := range []string{
		`level=WARN msg="the database is not as it should be" component=doctor code=not_granted about="table public.hidden" reason="role \"anon\" may not SELECT from \"public\".\"hidden\", so changes come without their rows (Error 401)" fix="GRANT SELECT ON \"public\".\"hidden\" TO \"anon\";"`,
		`UPDATE and DELETE fail on published tables without a primary key`,
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log does not say %s:\n%s", want, log)
		}
	}
	if strings.Contains(log, "identity_missing") {
		t.Errorf("the log says twice that UPDATE and DELETE fail:\n%s", log)
	}
}

// examined asks a server to examine its database.
func (s *running) examined(t *testing.T, query, role string) (status int, r doctor.Report, body string) {
	t.Helper()
	status, body = s.api(t, http.MethodGet, "/api/doctor"+query, role, nil, &r)
	return status, r, body
}

// api sends a request with a token of a role, and reads the answer if it is 200.
func (s *running) api(t *testing.T, method, path, role string, content io.Reader, answer any) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.Addr()+path, content)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+signed(role, userID(1)))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	all, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode == http.StatusOK {
		err = json.Unmarshal(all, answer)
	}
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(all)
}

// TestTheAPIExaminesTheDatabase of a running server, for the service role alone.
func TestTheAPIExaminesTheDatabase(t *testing.T) {
	t.Parallel()
	db := brokenDatabase(t)
	s := startServer(t, configFor(db))
	codes := func(r doctor.Report) map[string]bool {
		all := map[string]bool{}
		for _, f := range r.Findings {
			if f.Verdict != doctor.OK {
				all[f.Code] = true
			}
		}
		return all
	}
	status, r, body := s.examined(t, "", "service_role")
	if found := codes(r); status != http.StatusOK || !found["identity_missing"] || !found["not_granted"] || r.Database != db.Name {
		t.Errorf("it answers %d with %s", status, body)
	}
	status, r, body = s.examined(t, "?table=public.keyless&role=authenticated", "service_role")
	if found := codes(r); status != http.StatusOK || found["not_granted"] || !found["no_key"] {
		t.Errorf("narrowed to another table it answers %d with %s", status, body)
	}
	if status, _, body = s.examined(t, "", "authenticated"); status != http.StatusForbidden || strings.Contains(body, "hidden") {
		t.Errorf("another role is answered %d with %s", status, body)
	}
}
