package conninfo

import (
	"net/url"
	"slices"
	"strings"
)

// foreign are parameters that other clients write into a URL for themselves, in
// lower case. Postgres refuses a connection that sends them. None of them is the
// name of a setting that can be set for a session, and none would make a
// connection safer.
var foreign = setOf(`
	schema pgbouncer connection_limit pool_timeout socket_timeout statement_cache_size sslaccept sslidentity
	single_use_connections max_connection_lifetime max_idle_connection_lifetime supa workaround
	uselibpqcompat max min idle_timeout idletimeoutmillis connectiontimeoutmillis connectiontimeout query_timeout
	max_lifetime prepare fetch_types keepalive keepaliveinitialdelaymillis poolsize pool_size logging dialect
	pool pool_mode max_connections min_connections checkout_timeout reaping_frequency encoding charset adapter
	prepared_statements schema_search_path variables timeout retry advisory_locks statement_limit min_messages
	conn_max_age conn_health_checks disable_server_side_cursors atomic_requests async_fallback command_timeout
	prepared_statement_cache_size prepared_statement_name_func pool_pre_ping pool_recycle max_overflow
	echo queue_target queue_interval socket_options show_sensitive_data_on_connection_error
	binary_parameters disable_prepared_binary_result sslinline
	currentschema applicationname tcpkeepalive stringtype rewritebatchedinserts preparethreshold
	preparedstatementcachequeries preparedstatementcachesizemib sockettimeout logintimeout connecttimeout
	canceltimeout binarytransfer targetservertype loadbalancehosts defaultrowfetchsize preferquerymode
	autosave readonly loggerlevel hostrecheckseconds
	keepalives keepalives_idle keepalives_interval keepalives_count tcp_user_timeout gssencmode gsslib
	gssdelegation sslcompression load_balance_hosts fallback_application_name ssl
`)

func setOf(names string) map[string]bool {
	set := map[string]bool{}
	for _, name := range strings.Fields(names) {
		set[name] = true
	}
	return set
}

// sslModeOf is what a value of other clients' ssl promises, as sslmode; "" for
// nothing. All but a plain no is a wish for encryption, as true, no-verify and the
// objects are that say how certificates are to be checked.
func sslModeOf(value string) string {
	switch value = strings.ToLower(value); value {
	case "", "false", "0", "off", "no", "disable":
		return ""
	case "prefer", "allow", "verify-ca", "verify-full":
		return value
	}
	return "require"
}

// isForeign reports whether a parameter is nothing to Postgres and to us. Names
// that begin with x- belong to tools that migrate databases.
func isForeign(name string) bool {
	name = strings.ToLower(name)
	return foreign[name] || strings.HasPrefix(name, "x-")
}

// withSSLMode turns what other clients call ssl and no-verify into the sslmode
// that promises as much: a wish for encryption is not one to ignore.
func withSSLMode(text string) string {
	head, query, found := strings.Cut(text, "?")
	if !found || !strings.HasPrefix(head, "postgres://") {
		return text
	}
	parts := strings.Split(query, "&")
	hasMode := slices.ContainsFunc(parts, func(p string) bool { return strings.HasPrefix(p, "sslmode=") })
	for i, part := range parts {
		name, value, _ := strings.Cut(part, "=")
		if decoded, err := url.QueryUnescape(value); err == nil {
			value = decoded
		}
		switch {
		case name == "sslmode" && value == "no-verify":
			parts[i] = "sslmode=require"
		case strings.EqualFold(name, "ssl") && hasMode:
			parts[i] = ""
		case strings.EqualFold(name, "ssl") && sslModeOf(value) != "":
			parts[i] = "sslmode=" + sslModeOf(value)
		}
	}
	parts = slices.DeleteFunc(parts, func(p string) bool { return p == "" })
	if len(parts) == 0 {
		return head
	}
	return head + "?" + strings.Join(parts, "&")
}
