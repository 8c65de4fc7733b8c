package conninfo

import (
	"fmt"
	"net/url"
	"regexp"
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
	serverversion default_dbname driver
	keep_alive max_pipeline backoff debug publications maxuses maxlifetimeseconds allowexitonidle
	min_size max_size minsize maxsize max_queries max_cached_statement_lifetime max_cacheable_statement_size
	max_inactive_connection_lifetime force_rollback executemany_mode
	insert_returning database_tasks migrations_paths query_cache
	statement-cache-capacity statement_cache_mode prefer_simple_protocol
	initialsize maxidletime maxlifetime validationquery
	sslfactory sslfactoryarg sslresponsetimeout tcpnodelay logunclosedconnections assumeminserverversion
	disablecolumnsanitiser escapesyntaxcallmode adaptivefetch adaptivefetchminimum adaptivefetchmaximum
	databasemetadatacachefields databasemetadatacachefieldsmib cleanupsavepoints allowencodingchanges
	maxresultbuffer hideunprivilegedobjects receivebuffersize sendbuffersize groupstartupparameters
	quotereturningidentifiers unknownlength
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

// tidyParameters gives the parameters of a URL the form that the parser takes. What
// other clients call ssl and no-verify becomes the sslmode that promises as much: a wish
// for encryption is not one to ignore.
func tidyParameters(text string) (string, error) {
	head, query, found := cutQuery(text)
	if !found {
		return text, nil
	}
	parts := strings.Split(query, "&")
	hasMode := slices.ContainsFunc(parts, func(p string) bool { return strings.HasPrefix(p, "sslmode=") })
	var kept []string
	for _, part := range parts {
		p := readParameter(part)
		// Where a password has ? and & a piece of it stands in place of a name.
		if err := p.malformed(); err != nil && !strings.Contains(query, "@") {
			return "", err
		}
		switch {
		case p.name == "sslmode" && p.value == "no-verify":
			part = "sslmode=require"
		case p.name == "" || p.is("ssl") && hasMode:
			continue
		case p.is("ssl") && sslModeOf(p.value) != "":
			part = "sslmode=" + sslModeOf(p.value)
		case !p.hasValue && isForeign(p.name):
			part += "="
		}
		kept = append(kept, part)
	}
	if len(kept) == 0 {
		return head, nil
	}
	return head + "?" + strings.Join(kept, "&"), nil
}

// cutQuery cuts a URL before its parameters. A ? may stand in the password, too, which
// ends with the first @ if no / comes before it.
func cutQuery(text string) (head, query string, found bool) {
	authority, found := strings.CutPrefix(text, "postgres://")
	if !found {
		return text, "", false
	}
	user := 0
	if i := strings.IndexAny(authority, "@/"); i >= 0 && authority[i] == '@' {
		user = i
	}
	at := strings.IndexByte(authority[user:], '?')
	if at < 0 {
		return text, "", false
	}
	at += len(text) - len(authority) + user
	return text[:at], text[at+1:], true
}

// queryParameter is one parameter of a URL.
type queryParameter struct {
	name, value string
	hasValue    bool
	unreadable  bool // its value is no percent-encoding
}

func readParameter(part string) (p queryParameter) {
	p.name, p.value, p.hasValue = strings.Cut(part, "=")
	if name, err := url.QueryUnescape(p.name); err == nil {
		p.name = name
	}
	value, err := url.QueryUnescape(p.value)
	if p.unreadable = err != nil; !p.unreadable {
		p.value = value
	}
	if p.is("ssl") && !p.hasValue {
		p.value = "true"
	}
	return p
}

func (p queryParameter) is(name string) bool { return strings.EqualFold(p.name, name) }

// Names of parameters, and those by which some clients write an object's keys.
var (
	plainName = regexp.MustCompile(`^\w+$`)
	sslKey    = regexp.MustCompile(`(?i)^ssl\[\w*\]$`)
)

// malformed says what keeps a parameter with a plain name from being used.
func (p queryParameter) malformed() error {
	switch {
	case sslKey.MatchString(p.name):
		return fmt.Errorf("%s: want sslmode in its place, and sslrootcert for a file of certificates", p.name)
	case !plainName.MatchString(p.name):
		return nil
	case p.unreadable:
		return fmt.Errorf("%s: want a value whose special characters are percent-encoded, %% as %%25", p.name)
	case p.hasValue || isForeign(p.name):
		return nil
	case allowed[p.name] != "":
		return badParameter(p.name)
	}
	return fmt.Errorf("%s: want a value, as in %s=…", p.name, p.name)
}
