package replication

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"net"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"walcast/internal/conninfo"
)

// senderTimeout is the wal_sender_timeout of our own connection: the server
// takes a silent reader for dead after it, whatever its own setting says.
const senderTimeout = 15 * time.Second

// connectTimeout bounds one attempt to connect when database-url has no
// connect_timeout.
const connectTimeout = 10 * time.Second

// pinned are the settings that text output depends on, and those that would
// end or mute the connection. They go out as plain startup parameters: these
// win over postgresql.conf, ALTER DATABASE, ALTER ROLE and options, and some
// poolers refuse options.
func pinned() map[string]string {
	return map[string]string{
		"DateStyle":                           "ISO, YMD",
		"IntervalStyle":                       "postgres",
		"TimeZone":                            "UTC",
		"extra_float_digits":                  "3",
		"bytea_output":                        "hex",
		"client_encoding":                     "UTF8",
		"lc_monetary":                         "C",
		"search_path":                         `"$user", public`, // the default: regclass and its like depend on it
		"client_min_messages":                 "warning",         // 18 only warns of a missing publication
		"wal_sender_timeout":                  milliseconds(senderTimeout),
		"statement_timeout":                   "0",
		"lock_timeout":                        "0",
		"idle_in_transaction_session_timeout": "0",
		"idle_session_timeout":                "0",
	}
}

// reported are the pinned settings that the server tells us of.
var reported = []string{"DateStyle", "IntervalStyle", "TimeZone", "client_encoding"}

// newInstance names one run of a server; it tells our own stale walsender from
// another server's.
func newInstance() string {
	var b [4]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// applicationPrefix begins the application_name of every walcast's replication
// connection.
const applicationPrefix = "walcast/"

// applicationName fits Postgres' 63 bytes and keeps the instance whole.
func applicationName(slot, instance string) string {
	const most = maxIdentifier - len("walcast//")
	if room := most - len(instance); len(slot) > room {
		slot = slot[:room]
	}
	return applicationPrefix + slot + "/" + instance
}

// replicationConfig reads database-url for a replication connection that reads
// through socket.
func replicationConfig(databaseURL, application string, socket *socketReader) (*pgconn.Config, error) {
	pool, err := conninfo.Parse(databaseURL)
	if err != nil {
		return nil, err
	}
	c := &pool.ConnConfig.Config
	own := pinned()
	own["replication"] = "database"
	own["application_name"] = application
	// Names of settings ignore case; two spellings of one would go out in
	// random order.
	for name := range c.RuntimeParams {
		for mine := range own {
			if strings.EqualFold(name, mine) {
				delete(c.RuntimeParams, name)
			}
		}
	}
	// pgx also reads PGOPTIONS. What our environment happens to hold is not
	// what the user set.
	if !hasOptions(databaseURL) {
		delete(c.RuntimeParams, "options")
	}
	maps.Copy(c.RuntimeParams, own)
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = connectTimeout
	}
	dialer := &net.Dialer{Timeout: c.ConnectTimeout, KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: senderTimeout, Interval: 5 * time.Second, Count: 3,
	}}
	c.DialFunc = dialer.DialContext
	c.BuildFrontend = socket.frontend // wrapping the connection itself would hide TLS from channel binding
	return c, nil
}

// milliseconds is a duration as Postgres' settings write it.
func milliseconds(d time.Duration) string { return fmt.Sprintf("%dms", d.Milliseconds()) }

// optionsKey finds options in the key=value form.
var optionsKey = regexp.MustCompile(`(^|\s)options\s*=`)

// hasOptions reports whether the user wrote options into database-url.
func hasOptions(databaseURL string) bool {
	databaseURL = conninfo.Tidy(databaseURL)
	if u, err := url.Parse(databaseURL); err == nil && u.Scheme != "" {
		return u.Query().Has("options")
	}
	return optionsKey.MatchString(databaseURL)
}

// connectReplication opens the replication connection and makes sure that
// nothing between here and the server changed how values will look. asStored has
// text come in the encoding of the database.
func connectReplication(ctx context.Context, c *pgconn.Config, asStored bool) (*pgconn.PgConn, error) {
	conn, err := pgconn.ConnectConfig(ctx, c)
	if err != nil {
		return nil, err
	}
	want := pinned()
	want["client_encoding"] = conninfo.Encoding(conn)
	if stored := conn.ParameterStatus("server_encoding"); asStored {
		want["client_encoding"] = stored
		if _, err := conn.Exec(ctx, "set client_encoding = "+quoteLiteral(stored)).ReadAll(); err != nil {
			closeQuietly(conn)
			return nil, fmt.Errorf("have text sent as it is stored: %w", err)
		}
	}
	for _, name := range reported {
		if err := checkReported(name, conn.ParameterStatus(name), want[name]); err != nil {
			closeQuietly(conn)
			return nil, err
		}
	}
	return conn, nil
}

// checkReported compares a reported setting with what it is pinned to.
func checkReported(name, value, want string) error {
	if value == want || name == "TimeZone" && value == "Etc/UTC" {
		return nil
	}
	return &fault{
		remedy: operate, cause: causeConfiguration,
		advice: fmt.Sprintf("the server reports %s %q on the replication connection although %q was asked for: connect to it directly, without a pooler", name, value, want),
	}
}

// closeQuietly ends a connection that is of no use any more.
func closeQuietly(conn *pgconn.PgConn) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	conn.Close(ctx) // nothing is lost with it
}
