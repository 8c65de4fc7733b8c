package conninfo

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

func TestParseIgnoresWhatOtherClientsAdd(t *testing.T) {
	for _, c := range []struct{ url, ignored string }{
		{"postgres://app@localhost/app?schema=public", "schema"},
		{"postgres://app@localhost/app?pgbouncer=true&connection_limit=1&pool_timeout=0", "connection_limit pgbouncer pool_timeout"},
		{"postgres://app@localhost/app?currentSchema=app&ApplicationName=x&x-migrations-table=m", "ApplicationName currentSchema x-migrations-table"},
		{"postgres://app@localhost/app?sslmode=require&supa=base-pooler.x", "supa"},
		{"host=localhost user=app dbname=app pool_size=5", "pool_size"},
		{"postgres://app@localhost/app?ssl=false&encoding=utf8", "encoding ssl"},
		{"postgres://app@localhost/app?schema&&pgbouncer&sslmode=disable&", "pgbouncer schema"},
		{"postgres://app@localhost/app?serverVersion=16&charset=utf8", "charset serverVersion"},                                                                                 // Doctrine
		{"postgres://app@localhost/app?max=3&keep_alive=60&max_pipeline=100&backoff=true&debug=false&publications=x", "backoff debug keep_alive max max_pipeline publications"}, // postgres.js
		{"postgres://app@localhost/app?min_size=5&max_size=20&minsize=1&maxsize=5&max_queries=10&max_inactive_connection_lifetime=300&force_rollback=true", "force_rollback max_inactive_connection_lifetime max_queries max_size maxsize min_size minsize"}, // asyncpg, databases, Tortoise
		{"postgres://app@localhost/app?statement-cache-capacity=100", "statement-cache-capacity"}, // sqlx
		{"postgres://app@localhost/app?sslfactory=org.postgresql.ssl.NonValidatingFactory&ssl=true&tcpNoDelay=true&logUnclosedConnections=true&assumeMinServerVersion=16", "assumeMinServerVersion logUnclosedConnections sslfactory tcpNoDelay"}, // JDBC
		{"postgres://app@localhost/app?", ""},
		{"postgres://app@localhost/app?&=x&", ""},
		{"postgres://app@localhost/app?pool_max_conns=3&default_query_exec_mode=exec", ""},
	} {
		if got := strings.Join(Ignored(c.url), " "); got != c.ignored {
			t.Errorf("Ignored(%s) = %q; want %q", c.url, got, c.ignored)
		}
		parsed, err := Parse(c.url)
		if err != nil {
			t.Errorf("Parse(%s): %v", c.url, err)
			continue
		}
		if parsed.ConnConfig.Database != "app" || len(parsed.ConnConfig.RuntimeParams) != 1 {
			t.Errorf("Parse(%s): database %q, settings %q; want app and client_encoding alone", c.url, parsed.ConnConfig.Database, parsed.ConnConfig.RuntimeParams)
		}
	}
}

func TestParseSendsSettingsOn(t *testing.T) {
	c, err := Parse("postgres://app@localhost/app?work_mem=4MB&Client_Encoding=latin1&replication=database&nonsense=1")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"work_mem": "4MB", "client_encoding": "UTF8", "nonsense": "1"}
	for name, value := range c.ConnConfig.RuntimeParams {
		if want[name] != value {
			t.Errorf("setting %s = %q; want %q", name, value, want[name])
		}
	}
	if len(c.ConnConfig.RuntimeParams) != len(want) {
		t.Errorf("settings are %q; want %q", c.ConnConfig.RuntimeParams, want)
	}
}

func TestParseTakesWhatSurroundsAURL(t *testing.T) {
	for _, url := range []string{
		"postgres://app@db:5433/shop\n", " postgresql://app@db:5433/shop\r\n", `"postgres://app@db:5433/shop"`,
		"postgresql+asyncpg://app@db:5433/shop", "jdbc:postgresql://db:5433/shop?user=app", "ecto://app@db:5433/shop",
		"pgsql://app@db:5433/shop", "psql://app@db:5433/shop", "pdo-pgsql://app@db:5433/shop", "pdo_pgsql://app@db:5433/shop", "timescale://app@db:5433/shop", "timescaledb://app@db:5433/shop",
		"r2dbc:postgresql://app@db:5433/shop", "r2dbc:pool:postgresql://app@db:5433/shop", "vertx-reactive:postgresql://app@db:5433/shop", "asyncpg://app@db:5433/shop", "POSTGRES://app@db:5433/shop",
		"\ufeffpostgres://app@db:5433/shop\r\n",
		"host=db port=5433 user=app dbname=shop\n",
	} {
		c, err := Parse(url)
		if err != nil {
			t.Errorf("Parse(%q): %v", url, err)
			continue
		}
		if at := c.ConnConfig; at.Host != "db" || at.Port != 5433 || at.Database != "shop" || at.User != "app" {
			t.Errorf("Parse(%q) = %s@%s:%d/%s; want app@db:5433/shop", url, at.User, at.Host, at.Port, at.Database)
		}
	}
}

// TestParseLeavesThePasswordAsItIs, though it looks like parameters.
func TestParseLeavesThePasswordAsItIs(t *testing.T) {
	c, err := Parse("postgres://app:s3?&&ssl&schema=x@db/app?schema=app")
	if err != nil {
		t.Fatal(err)
	}
	if at := c.ConnConfig; at.Host != "db" || at.Password != "s3?&&ssl&schema=x" {
		t.Errorf("host %q, password %q; want db and the password whole", at.Host, at.Password)
	}
}

// TestParseKeepsAWishForEncryption: without TLS the password and all rows would
// go over the network for everybody to read.
func TestParseKeepsAWishForEncryption(t *testing.T) {
	for _, c := range []struct {
		url             string
		insists, verify bool
	}{
		{"postgres://app@h/app?ssl=true", true, false},
		{"postgres://app@h/app?ssl=require&schema=public", true, false},
		{"postgres://app@h/app?sslmode=no-verify", true, false},
		{"postgres://app@h/app?ssl=verify-full", true, true},
		{"postgres://app@h/app?sslmode=verify-full&ssl=true", true, true},
		{"postgres://app@h/app?SSL=True", true, false},
		{"postgres://app@h/app?ssl=%7B%22rejectUnauthorized%22%3Afalse%7D", true, false},
		{"postgres://app@h/app?ssl&schema", true, false},
		{"postgres://app@h/app?ssl=false", false, false},
		{"postgres://app@h/app?sslmode=prefer&ssl=true", false, false},
	} {
		parsed, err := Parse(c.url)
		if err != nil {
			t.Errorf("Parse(%s): %v", c.url, err)
			continue
		}
		plain := slices.ContainsFunc(parsed.ConnConfig.Fallbacks, func(f *pgconn.FallbackConfig) bool { return f.TLSConfig == nil })
		tls := parsed.ConnConfig.TLSConfig
		if tls == nil || plain == c.insists || tls.InsecureSkipVerify == c.verify {
			t.Errorf("Parse(%s): TLS %v, without TLS too %v; want it to insist %v and to verify %v", c.url, tls != nil, plain, c.insists, c.verify)
		}
	}
}

func TestParseNamesTheFileThatCannotBeRead(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "ca.pem")
	file := func(name, content string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	empty, garbage := file("empty.pem", ""), file("garbage.pem", "no certificate")
	key := file("key.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
	const noAuthority = "sslrootcert: want a file of certificates in PEM form"
	for _, c := range []struct{ parameters, want string }{
		{"sslmode=verify-full&sslrootcert=" + missing, "sslrootcert cannot be read: open " + missing + ": no such file or directory"},
		{"sslmode=require&sslcert=" + missing + "&sslkey=" + missing, "sslkey cannot be read: open " + missing},
		{"sslmode=verify-full&sslrootcert=" + empty, noAuthority},
		{"sslmode=verify-full&sslrootcert=" + garbage, noAuthority},
		{"sslmode=verify-full&sslrootcert=" + key, noAuthority},
		{"sslmode=require&sslcert=" + garbage + "&sslkey=" + garbage, "sslkey: want a file with a private key in PEM form"},
		{"sslmode=require&sslcert=" + garbage + "&sslkey=" + key, "sslcert and sslkey: want a certificate in PEM form, and the key that belongs to it"},
		{"sslmode=require&sslcert=" + garbage, "sslcert and sslkey: want both or none"},
		{"sslmode=always", "sslmode: want disable, allow, prefer, require, verify-ca or verify-full"},
	} {
		_, err := Parse("postgres://app:hunter2@h/app?" + c.parameters)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("Parse with %s: %v; want %s", c.parameters, err, c.want)
		}
	}
	if _, err := Parse("postgres://app:hunter2%zz@h/d"); !errors.Is(err, ErrUnreadable) {
		t.Errorf("Parse of a malformed URL: %v; want %v", err, ErrUnreadable)
	}
}

func TestHostNamesTheOneInUse(t *testing.T) {
	c, err := Parse("postgres://app@127.0.0.1:5432,localhost:5433/app?sslmode=prefer")
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []struct{ remote, want string }{
		{"127.0.0.1:5432", "127.0.0.1:5432"}, {"127.0.0.1:5433", "localhost:5433"}, {"192.0.2.1:5432", "192.0.2.1:5432"},
	} {
		remote, err := net.ResolveTCPAddr("tcp", at.remote)
		if err != nil {
			t.Fatal(err)
		}
		if got := Host(t.Context(), &c.ConnConfig.Config, remote); got != at.want {
			t.Errorf("Host of %s = %s; want %s", at.remote, got, at.want)
		}
	}
}
