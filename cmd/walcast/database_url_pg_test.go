package main

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"walcast/internal/await"
	"walcast/internal/devdb"
)

// servedBy runs serve with a database URL until it is ready, and returns the ready
// line and the log; or, if it ends before, "" and the log.
func servedBy(t *testing.T, db *devdb.DB, databaseURL string, more ...string) (ready, log string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	o, e := await.NewOutput(), await.NewOutput()
	ended := make(chan int, 1)
	args := append([]string{"serve", "--listen=127.0.0.1:0", "--database-url=" + databaseURL, "--jwt-secret=" + testSecret, "--slot=" + db.Name}, more...)
	go func() { ended <- run(ctx, args, terminal{out: o, err: e}) }()
	for {
		select {
		case <-o.Grew():
			if strings.Contains(o.String(), "walcast ready") {
				cancel()
				<-ended
				return o.String(), e.String()
			}
		case code := <-ended:
			if code == 0 {
				t.Fatalf("serve ended by itself with 0 and was not ready; the log is:\n%s", e)
			}
			return "", e.String()
		}
	}
}

func TestServeTakesURLsAsFrameworksWriteThem(t *testing.T) {
	cleared(t)
	db, _ := served(t)
	for _, c := range []struct{ add, ignored string }{
		{"&schema=public", "[schema]"},
		{"&pgbouncer=true&connection_limit=1&pool_timeout=0", "[connection_limit pgbouncer pool_timeout]"},
		{"&ssl=false&currentSchema=app", "[currentSchema ssl]"},
		{"\n", ""},
	} {
		ready, log := servedBy(t, db, db.DSN+c.add)
		if ready == "" {
			t.Errorf("serve with %q in its URL does not start:\n%s", c.add, log)
		} else if !strings.Contains(log, c.ignored) {
			t.Errorf("the log with %q does not name %s:\n%s", c.add, c.ignored, log)
		}
	}
}

func TestServeNamesAParameterThatPostgresRefuses(t *testing.T) {
	cleared(t)
	db, _ := served(t)
	for parameter, name := range map[string]string{
		"nonsense=1": "nonsense", "work_mem=much": "work_mem", "shared_buffers=1GB": "shared_buffers", "nonsense[x]=1": "nonsense[x]",
		"role=": "role", "role=nobody": "role", "options=project%3Dx": "options", "options=-c%20nonsense%3D1": "nonsense",
	} {
		ready, log := servedBy(t, db, db.DSN+"&"+parameter)
		if want := "walcast: Postgres does not take parameter " + name + " of database-url: correct"; ready != "" || !strings.Contains(log, want) {
			t.Errorf("serve with %s: ready %q, log:\n%s\nwant %s", parameter, ready, log, want)
		}
	}
}

func TestServeNamesACertificateThatItCannotRead(t *testing.T) {
	cleared(t)
	missing := filepath.Join(t.TempDir(), "ca.pem")
	code, _, e := command(t, "serve", "--jwt-secret="+testSecret, "--database-url=postgres://app@127.0.0.1/app?sslmode=verify-full&sslrootcert="+missing)
	if want := "walcast: --database-url: sslrootcert cannot be read: open " + missing; code == 0 || !strings.HasPrefix(e, want) {
		t.Errorf("exit code %d, %q; want %q", code, e, want)
	}
}

// TestServeDoesNotWaitForEncryption: a server without TLS has it after no time.
func TestServeDoesNotWaitForEncryption(t *testing.T) {
	cleared(t)
	db := devdb.OpenServer(t, devdb.Options{TCP: true})
	asked := strings.Replace(db.DSN, "sslmode=disable", "ssl=true", 1)
	ready, log := servedBy(t, db, asked, "--start-timeout=10m")
	if want := "walcast: the server does not speak TLS"; ready != "" || !strings.Contains(log, want) {
		t.Errorf("serve with ssl=true on a server without TLS: ready %q, log:\n%s\nwant %s", ready, log, want)
	}
}

// TestReadyLineNamesTheHostInUse: of several hosts the first may be down.
func TestReadyLineNamesTheHostInUse(t *testing.T) {
	cleared(t)
	db := devdb.OpenServer(t, devdb.Options{TCP: true})
	devdb.SupabaseRoles(db)
	db.Exec(demoSchema)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer closed.Close()
	port := closed.Addr().(*net.TCPAddr).Port
	closed.Close()
	u, err := url.Parse(db.DSN)
	if err != nil {
		t.Fatal(err)
	}
	hosts := fmt.Sprintf("127.0.0.1:%d,localhost:%s", port, strconv.Itoa(db.Server.Port))
	ready, log := servedBy(t, db, strings.Replace(db.DSN, u.Host, hosts, 1))
	if want := "database=localhost:" + strconv.Itoa(db.Server.Port) + "/" + db.Name; !strings.Contains(ready, want) {
		t.Errorf("ready line is %q; want %s in it; the log is:\n%s", ready, want, log)
	}
}

// TestServeSaysInOneLineWhatIsWrong, with migrations to make and without. Over TCP each
// address is tried with TLS and without.
func TestServeSaysInOneLineWhatIsWrong(t *testing.T) {
	cleared(t)
	db := devdb.OpenServer(t, devdb.Options{TCP: true})
	open := strings.Replace(db.DSN, "sslmode=disable", "sslmode=prefer", 1)
	for url, want := range map[string]string{
		open + "&work_mem=much":                      "Postgres does not take parameter work_mem of database-url",
		open + "&role=nobody":                        "Postgres does not take parameter role of database-url",
		strings.Replace(open, db.Name, "nowhere", 1): `database "nowhere" does not exist: correct database-url`,
	} {
		for _, flag := range []string{"--migrate=true", "--migrate=false"} {
			ready, log := servedBy(t, db, url, flag)
			_, told, _ := strings.Cut(log, "walcast: ")
			if ready != "" || !strings.HasPrefix(told, want) || strings.Count(told, "\n") != 1 {
				t.Errorf("serve %s with %s: ready %q, log:\n%s\nwant one line that begins with %s", flag, url, ready, log, want)
			}
		}
	}
}

// TestCommandsSayWhatServeSays of a database that they cannot speak to.
func TestCommandsSayWhatServeSays(t *testing.T) {
	cleared(t)
	db, _ := served(t)
	db.Exec(`do $$ begin create role outsider login; exception when duplicate_object then null; end $$`)
	as := func(role string) string { return strings.Replace(db.DSN, "postgres@", role+"@", 1) }
	for _, c := range []struct{ url, want string }{
		{db.DSN + "&role=nobody", "Postgres does not take parameter role of database-url"},
		{as("nobody"), `the server does not let role "nobody" in from here`},
		{strings.Replace(db.DSN, db.Name, "nowhere", 1), `database "nowhere" does not exist: correct database-url`},
		{strings.Replace(db.DSN, "postgres@", "postgres:hunter2@", 1) + "&sslmode=require&host=127.0.0.1&port=1", "connect to Postgres at 127.0.0.1:1: not reachable"},
	} {
		for _, args := range [][]string{{"migrate"}, {"slot", "status"}, {"slot", "drop"}} {
			code, _, e := command(t, append(args, "--database-url="+c.url)...)
			if code != exitFailed || !strings.HasPrefix(e, "walcast: "+c.want) || strings.Count(e, "\n") != 1 || strings.Contains(e, "hunter2") {
				t.Errorf("%v exits %d with %q; want a line that begins with %q", args, code, e, c.want)
			}
		}
	}
	db.Exec("select pg_create_logical_replication_slot($1, 'pgoutput')", db.Name)
	for want, args := range map[string][]string{
		"run it with a database-url whose role owns the database":              {"migrate"},
		`role "outsider" may not replicate: ALTER ROLE "outsider" REPLICATION`: {"slot", "drop", "--slot=" + db.Name},
	} {
		code, _, e := command(t, append(args, "--database-url="+as("outsider"))...)
		if code != exitFailed || !strings.Contains(e, want) {
			t.Errorf("%v exits %d with %q; want %q", args, code, e, want)
		}
	}
}
