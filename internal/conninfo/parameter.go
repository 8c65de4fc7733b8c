package conninfo

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	wantCount    = "a whole number, 0 or more"
	wantDuration = "a duration such as 30s, 5m or 1h"
	wantProtocol = "3.0, 3.2 or latest"
)

// allowed is what parameters may be, by name, of those that are not Postgres' own
// settings. Postgres says itself what is wrong with one of these.
var allowed = map[string]string{
	"port":                          "a number from 1 to 65535, one for all hosts or one for each",
	"connect_timeout":               "a whole number of seconds, 0 for no limit",
	"sslmode":                       "disable, allow, prefer, require, verify-ca or verify-full",
	"sslcertmode":                   "disable, allow or require",
	"sslnegotiation":                "postgres or direct",
	"target_session_attrs":          "any, read-write, read-only, primary, standby or prefer-standby",
	"channel_binding":               "disable, prefer or require",
	"require_auth":                  "a list of password, md5, scram-sha-256, gss, sspi, oauth and none, with a comma between two, each with or each without an ! before it",
	"min_protocol_version":          wantProtocol + ", and not more than max_protocol_version",
	"max_protocol_version":          wantProtocol,
	"service":                       "the name of a section of the file that servicefile names, or of ~/.pg_service.conf",
	"pool_max_conns":                "a whole number, 1 or more",
	"pool_min_conns":                wantCount,
	"pool_min_idle_conns":           wantCount,
	"pool_max_conn_lifetime":        wantDuration,
	"pool_max_conn_idle_time":       wantDuration,
	"pool_max_conn_lifetime_jitter": wantDuration,
	"pool_health_check_period":      wantDuration,
	"pool_ping_timeout":             wantDuration,
	"statement_cache_capacity":      "a whole number, 1 or more; 0 only where default_query_exec_mode is another than cache_statement",
	"description_cache_capacity":    "a whole number, 1 or more; 0 only where default_query_exec_mode is another than cache_describe",
	"default_query_exec_mode":       "cache_statement, cache_describe, describe_exec, exec or simple_protocol",
}

// badParameter says what a parameter may be. The value is not quoted: where a URL is
// malformed it may be a piece of the password.
func badParameter(name string) error { return fmt.Errorf("%s: want %s", name, allowed[name]) }

// complaint finds the parameter in a text of pgx that begins with what is wrong.
var complaint = regexp.MustCompile(`^(?:cannot parse|invalid|unknown|failed to read|failed to configure TLS \(|could not match \d+) ?(\w+)|^(\w+) (?:too small|cannot be greater)`)

// complained is the parameter that the parser does not take, "" if it is none, or not
// known.
func complained(e *pgconn.ParseConfigError) string {
	about := *e
	about.ConnString = "" // it would be quoted
	_, text, _ := strings.Cut(about.Error(), ": ")
	found := complaint.FindStringSubmatch(text)
	if found == nil {
		return ""
	}
	name := found[1] + found[2]
	if _, known := allowed[name]; known {
		return name
	}
	return ""
}

// check refuses values that the parser takes and that cannot work.
func check(c *pgxpool.Config) error {
	at := c.ConnConfig
	const most = 1 << 31 // seconds, as libpq has it
	wrong := map[string]bool{
		"connect_timeout":               at.ConnectTimeout < 0 || at.ConnectTimeout.Seconds() >= most,
		"sslnegotiation":                at.SSLNegotiation != "" && at.SSLNegotiation != "postgres" && at.SSLNegotiation != "direct",
		"pool_min_conns":                c.MinConns < 0,
		"pool_min_idle_conns":           c.MinIdleConns < 0,
		"pool_max_conn_lifetime":        c.MaxConnLifetime < 0,
		"pool_max_conn_idle_time":       c.MaxConnIdleTime < 0,
		"pool_max_conn_lifetime_jitter": c.MaxConnLifetimeJitter < 0,
		"pool_health_check_period":      c.HealthCheckPeriod <= 0,
		"pool_ping_timeout":             c.PingTimeout < 0,
		"statement_cache_capacity":      at.StatementCacheCapacity <= 0 && at.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement,
		"description_cache_capacity":    at.DescriptionCacheCapacity <= 0 && at.DefaultQueryExecMode == pgx.QueryExecModeCacheDescribe,
	}
	var all []error
	for _, name := range slices.Sorted(maps.Keys(wrong)) {
		if wrong[name] {
			all = append(all, badParameter(name))
		}
	}
	return errors.Join(all...)
}
