package main

import (
	"encoding/json"
	"strings"
	"testing"

	"walcast/diagnose/doctor"
	"walcast/internal/devdb"
)

// doctorDatabase has a server of its own, in which nothing is wrong but what a test makes.
func doctorDatabase(t *testing.T) *devdb.DB {
	t.Helper()
	cleared(t)
	db := devdb.OpenServer(t, devdb.Options{Settings: map[string]string{"max_slot_wal_keep_size": "10GB"}})
	devdb.SupabaseRoles(db)
	db.Exec(`create table t (id int primary key, note text); grant select on t to anon, authenticated; create publication supabase_realtime for table t`)
	t.Setenv("DATABASE_URL", db.DSN)
	return db
}

func TestDoctorEndsWithWhatItFound(t *testing.T) {
	db := doctorDatabase(t)
	code, out, errOut := command(t, "doctor")
	if code != 0 || !strings.Contains(out, "\nok\n") || !strings.Contains(out, "\n0 problems, 0 warnings, ") || errOut != "" {
		t.Errorf("on a healthy database it exits %d with %q and\n%s", code, errOut, out)
	}
	db.Exec("revoke select on t from anon")
	if code, out, _ = command(t, "doctor"); code != 0 {
		t.Errorf("where a table is not for everybody it exits %d with\n%s", code, out)
	}
	code, out, errOut = command(t, "doctor", "--role", "anon")
	want := "\nproblems\n  table public.t: role \"anon\" may not SELECT from \"public\".\"t\", so changes come without their rows (Error 401) [not_granted]\n" +
		"    fix:  GRANT SELECT ON \"public\".\"t\" TO \"anon\";\n    as:   \"postgres\"\n    cost: whoever has the role can then read this wherever it connects\n"
	if code != exitFailed || !strings.Contains(out, want) || errOut != "" {
		t.Errorf("on a broken database it exits %d with %q and\n%s\nwant\n%s", code, errOut, out, want)
	}
	if code, out, _ = command(t, "doctor", "--role", "authenticated"); code != 0 {
		t.Errorf("narrowed to a role that may read it exits %d with\n%s", code, out)
	}
	if code, out, _ = command(t, "doctor", "--table", "public.none"); code != exitFailed || !strings.Contains(out, "table public.none: there is no such table [unknown_table]") {
		t.Errorf("of a table that is not there it exits %d with\n%s", code, out)
	}
}

func TestDoctorPrintsJSON(t *testing.T) {
	db := doctorDatabase(t)
	db.Exec("alter table t enable row level security")
	code, out, _ := command(t, "doctor", "--json", "--role", "anon")
	var report doctor.Report
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != exitFailed || report.Database != db.Name || report.Version == "" {
		t.Fatalf("it exits %d with %s, %v", code, out, err)
	}
	want := `    {
      "code": "no_policy",
      "verdict": "problem",
      "about": {
        "kind": "table",
        "name": "public.t"
      },
      "reason": "row-level security of \"public\".\"t\" has no policy that lets role \"anon\" SELECT, so none of its rows come",
      "fix": "CREATE POLICY \"readable by anon\" ON \"public\".\"t\" FOR SELECT TO \"anon\" USING (true);",
      "cost": "everybody with the role sees every row",
      "by": "\"postgres\""
    }`
	if !strings.Contains(out, want) {
		t.Errorf("it prints\n%s\nwant\n%s", out, want)
	}
}

// TestDoctorsScriptMendsWhatCostsNothing, as psql would run it. It has not run it itself.
func TestDoctorsScriptMendsWhatCostsNothing(t *testing.T) {
	db := doctorDatabase(t)
	db.Exec(`alter table t replica identity nothing; revoke select on t from anon; create schema app; create table app.u (id int primary key); grant select on app.u to anon, authenticated;
		alter publication supabase_realtime add table app.u`)
	code, script, _ := command(t, "doctor", "--fix", "--role", "anon")
	for _, want := range []string{
		"-- problem: table public.t: its UPDATE and DELETE fail, as it is published and has REPLICA IDENTITY NOTHING\n-- run it as: \"postgres\"\nALTER TABLE \"public\".\"t\" REPLICA IDENTITY DEFAULT;\n",
		"-- it costs: the role can then use all that is granted to it in the schema, or to everybody, as functions are at first\n-- GRANT USAGE ON SCHEMA \"app\" TO \"anon\";\n",
		"-- it costs: whoever has the role can then read this wherever it connects\n-- GRANT SELECT ON \"public\".\"t\" TO \"anon\";\n",
	} {
		if code != exitFailed || !strings.Contains(script, want) {
			t.Errorf("it exits %d with\n%s\nwant\n%s", code, script, want)
		}
	}
	if _, again, _ := command(t, "doctor", "--fix", "--role", "anon"); again != script {
		t.Errorf("it has run something: the script is now\n%s", again)
	}
	db.Exec(script)
	_, out, _ := command(t, "doctor", "--role", "anon")
	if !strings.Contains(out, "\n2 problems, 0 warnings, ") || !strings.Contains(out, "[not_granted]") || !strings.Contains(out, "[schema_not_granted]") {
		t.Errorf("after the script it finds\n%s\nwant what its comments have", out)
	}
}

func TestDoctorThatCannotLookSaysWhy(t *testing.T) {
	cleared(t)
	const url = "postgres://somebody:secret-password@127.0.0.1:1/d"
	code, out, errOut := command(t, "doctor", "--database-url", url)
	if code != exitBlind || out != "" || !strings.Contains(errOut, "connect to Postgres at 127.0.0.1:1: not reachable") || strings.Contains(errOut, "secret-password") {
		t.Errorf("it exits %d with %q, %q", code, out, errOut)
	}
	code, out, errOut = command(t, "doctor", "--json", "--database-url", url)
	var object map[string]string
	if err := json.Unmarshal([]byte(out), &object); err != nil || code != exitBlind || !strings.Contains(object["error"], "not reachable") || strings.Contains(out, "secret-password") || errOut == "" {
		t.Errorf("in JSON it exits %d with %q, %q", code, out, errOut)
	}
	for want, args := range map[string][]string{
		"--database-url: not set":               {"doctor"},
		"--table: want a table as schema.table": {"doctor", "--database-url", url, "--table", "."},
		"--slot: want":                          {"doctor", "--database-url", url, "--slot", "Bad"},
	} {
		if code, _, errOut := command(t, args...); code != exitUsage || !strings.Contains(errOut, want) {
			t.Errorf("walcast %v exits %d with %q; want %q", args, code, errOut, want)
		}
	}
}
