package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"walcast/diagnose/explain"
	"walcast/internal/devdb"
	"walcast/internal/golden"
)

const customer = "7c9e6679-7425-40de-944b-e07fc1f90ae7"

// explainDatabase is the one of the example in docs/operations.md.
func explainDatabase(t *testing.T) *devdb.DB {
	t.Helper()
	cleared(t)
	db := devdb.Open(t)
	devdb.SupabaseRoles(db)
	db.Exec(`create table orders (id bigint primary key, customer uuid, status text, total numeric(10,2), margin numeric(10,2));
		grant select (id, customer, status, total) on orders to authenticated;
		alter table orders enable row level security;
		create policy "own orders" on orders for select to authenticated using (customer = auth.uid());
		create policy "no drafts" on orders as restrictive for select using (status <> 'draft');
		insert into orders values (1017, '` + customer + `', 'draft', 129, 12), (1018, '` + customer + `', 'paid', 99, 9);
		create publication supabase_realtime for table orders`)
	t.Setenv("DATABASE_URL", db.DSN)
	return db
}

// TestTheExampleOfExplain holds the example in docs/operations.md to what is printed.
func TestTheExampleOfExplain(t *testing.T) {
	db := explainDatabase(t)
	code, out, errOut := command(t, "explain", "--table", "orders", "--filter", "total=gte.100", "--event", "INSERT", "--role", "authenticated", "--claims", `{"sub": "`+customer+`"}`, "--key", "id=1017")
	if code != exitFailed || errOut != "" {
		t.Fatalf("it exits %d with %q and\n%s", code, errOut, out)
	}
	out = strings.ReplaceAll(out, db.Name, "app")
	out = regexp.MustCompile(`Postgres \d\S*`).ReplaceAllString(out, "Postgres 17.6")
	golden.CompareSection(t, "../../docs/operations.md", "explain", "```\n"+out+"```\n")
}

func TestExplainEndsWithWhatTheClientGets(t *testing.T) {
	explainDatabase(t)
	const theirs = `{"role":"authenticated","sub":"` + customer + `"}`
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--claims", theirs}, 0, "\nthe subject gets the rows that the filter and the policies let through: ask about one with --row or --key\n"},
		{[]string{"--claims", theirs, "--key", "id=1018"}, 0, "\nthe subject would get it\n"},
		{[]string{"--claims", theirs, "--key", "id=1017", "--action", "DELETE"}, 0, "\nthe subject would get it, with the key alone: id\n"},
		{[]string{"--claims", theirs, "--row", `{"id": 5, "customer": "` + customer + `", "status": "draft"}`}, exitFailed, "restrictive policy no drafts: (status <> 'draft'::text) is false\n"},
		{[]string{"--role", "anon"}, exitFailed, "\nthe subject gets nothing, whatever the row is\n"},
		{[]string{"--claims", theirs, "--key", "id=1"}, exitBlind, "walcast: key: public.orders has no such row\n"},
		{[]string{"--claims", theirs, "--row", "x"}, exitBlind, `walcast: row: want an object in JSON, such as {"id": 5}` + "\n"},
		{[]string{"--claims", theirs, "--key", "x"}, exitUsage, `walcast: --key: want COLUMN=VALUE, got "x"` + "\n"},
		{nil, exitBlind, "walcast: role: want the name of a role, or a token, or claims that have a role\n"},
	} {
		code, out, errOut := command(t, append([]string{"explain", "--table", "orders"}, c.args...)...)
		if code != c.code || !strings.Contains(out+errOut, c.want) {
			t.Errorf("walcast explain %v exits %d with %q and\n%s\nwant %d with %q", c.args, code, errOut, out, c.code, c.want)
		}
	}
}

// TestExplainReadsTokens, says what is wrong with them, and never prints one.
func TestExplainReadsTokens(t *testing.T) {
	explainDatabase(t)
	const key = "a secret that is long enough for all"
	minted := func(expires time.Duration) string {
		token, err := mint(key, map[string]any{"role": "authenticated", "sub": customer, "exp": time.Now().Add(expires).Unix()})
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	good, old := minted(time.Hour), minted(-time.Hour)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(good+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--token", good}, 0, "note    token: its signature and times were not looked at, as no secret is set\n"},
		{[]string{"--token-file", file, "--jwt-secret", key}, 0, "yes     join: it works"},
		{[]string{"--token", old, "--jwt-secret", key}, exitFailed, "no      token: Token has expired 36"},
		{[]string{"--token", good, "--jwt-secret", "another secret that is long enough"}, exitFailed, "no      token: Failed to validate JWT signature (what follows is for its claims, as if it were good)\n"},
		{[]string{"--token", "no.good-token.x", "--jwt-secret", key}, exitBlind, "walcast: token: The token provided is not a valid JWT\n"},
		{[]string{"--token", good, "--role", "anon"}, exitBlind, "walcast: token is given together with role or claims"},
	} {
		code, out, errOut := command(t, append([]string{"explain", "--table", "orders", "--event", "INSERT", "--key", "id=1018"}, c.args...)...)
		if code != c.code || !strings.Contains(out+errOut, c.want) {
			t.Errorf("walcast explain %v exits %d with %q and\n%s\nwant %d with %q", c.args, code, errOut, out, c.code, c.want)
		}
		for _, secret := range []string{good, old, key, "good-token"} {
			if strings.Contains(out+errOut, secret) {
				t.Errorf("walcast explain %v prints %q:\n%s%s", c.args, secret, out, errOut)
			}
		}
	}
}

func TestExplainPrintsJSON(t *testing.T) {
	db := explainDatabase(t)
	code, out, _ := command(t, "explain", "--json", "--table", "orders", "--claims", `{"role":"authenticated","sub":"`+customer+`"}`, "--key", "id=1017")
	var answer explain.Answer
	if err := json.Unmarshal([]byte(out), &answer); err != nil || code != exitFailed || answer.Database != db.Name || answer.Gets != explain.GetsNothing {
		t.Fatalf("it exits %d with %s, %v", code, out, err)
	}
	want := `      {
        "what": "restrictive policy",
        "name": "no drafts",
        "verdict": "no",
        "text": "(status <> 'draft'::text) is false"
      }`
	if !strings.Contains(out, want) {
		t.Errorf("it prints\n%s\nwant\n%s", out, want)
	}
	code, out, errOut := command(t, "explain", "--json", "--table", "orders", "--role", "anon", "--database-url", "postgres://somebody:secret-password@127.0.0.1:1/d")
	var object map[string]string
	if err := json.Unmarshal([]byte(out), &object); err != nil || code != exitBlind || !strings.Contains(object["error"], "not reachable") || strings.Contains(out+errOut, "secret-password") {
		t.Errorf("where there is no database it exits %d with %q, %q", code, out, errOut)
	}
}
