package replication

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"walcast/replication/catalog"
)

// remedy is what the reader does about a fault.
type remedy uint8

const (
	// retryFast: the fault passes by itself, as a restart does.
	retryFast remedy = iota
	// retrySlowly: it may pass, or an operator has to act; report it meanwhile.
	retrySlowly
	// operate: an operator has to act. Ends Run when nothing was ever streamed,
	// as the setting is then probably wrong; later it is retried slowly.
	operate
	// renew: the slot cannot go on from where it was; a new one starts a new
	// history and subscribers are told to resync.
	renew
)

// The reasons of faults: a closed set, used as metric label.
const (
	causeNetwork       = "network"
	causeStopping      = "server_stopping"
	causeTerminated    = "terminated"
	causeStalled       = "stalled"
	causeAuth          = "auth"
	causePermission    = "permission"
	causeDatabase      = "database"
	causeResources     = "resources"
	causeSlotBusy      = "slot_in_use"
	causeSlotCreation  = "slot_creation"
	causeSlotLost      = "slot_lost"
	causePublication   = "publication_missing"
	causeReopen        = "publications_changed"
	causeLists         = "publications_differ"
	causeFilter        = "publication_filter"
	causeConfiguration = "configuration"
	causeControl       = "control_connection"
	causeUnseen        = "commit_not_visible"
	causeEncoding      = "encoding"
	causeUnknown       = "unknown"
)

// causes lists them all.
func causes() []string {
	return []string{
		causeNetwork, causeStopping, causeTerminated, causeStalled, causeAuth, causePermission, causeDatabase,
		causeResources, causeSlotBusy, causeSlotCreation, causeSlotLost, causePublication, causeReopen, causeLists, causeFilter,
		causeConfiguration, causeControl, causeUnseen, causeEncoding, causeUnknown,
	}
}

// fault is an error that the reader knows what to do about.
type fault struct {
	remedy remedy
	cause  string // one of the cause constants
	advice string // one sentence that says what to do; "" if there is nothing to do
	others bool   // of a missing publication: the changes of others are read on
	err    error  // nil when the advice says it all
}

// Error is the advice, with what Postgres said behind it, in one line: pgx has a line for
// each address that was tried.
func (f *fault) Error() string {
	if f.err == nil {
		return f.advice
	}
	said := strings.Join(strings.Fields(f.err.Error()), " ")
	if f.advice == "" {
		return said
	}
	return f.advice + " (" + said + ")"
}

func (f *fault) Unwrap() error { return f.err }

// Explain says of an error on an ordinary connection, or in opening it, what the reader
// would say: what is wrong, and what to do where that is known. It is one line.
func Explain(err error, c *pgconn.Config) error {
	f := classify(err, target{role: c.User, database: c.Database})
	if f.cause == causeNetwork {
		return fmt.Errorf("connect to Postgres at %s:%d: not reachable (%w)", c.Host, c.Port, f)
	}
	return f
}

// target is what an attempt connects with; the advice about its faults names it.
type target struct{ role, database, slot string }

// classify finds out what an error means. What it does not know is retried
// slowly and reported: only a certain loss starts a new history.
func classify(err error, at target) *fault {
	var known *fault
	if errors.As(err, &known) {
		return known
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		f := classifyPostgres(pg, at)
		f.err = err
		return f
	}
	if isNetwork(err) {
		return &fault{remedy: retryFast, cause: causeNetwork, err: err}
	}
	if f := classifyTLS(err); f != nil {
		return f
	}
	return &fault{remedy: retrySlowly, cause: causeUnknown, err: err}
}

func classifyTLS(err error) *fault {
	var certificate *tls.CertificateVerificationError
	switch {
	case strings.Contains(err.Error(), "server refused TLS connection"):
		return &fault{
			remedy: operate, cause: causeAuth, err: err,
			advice: "the server does not speak TLS: change sslmode in database-url, or enable ssl on the server",
		}
	case errors.As(err, &certificate):
		return &fault{
			remedy: operate, cause: causeAuth, err: err,
			advice: "the server's certificate cannot be verified: set sslrootcert in database-url to the authority that signed it",
		}
	}
	return nil
}

// classifyPostgres decides by SQLSTATE. The texts are compared only where one
// code means several things.
func classifyPostgres(e *pgconn.PgError, at target) *fault {
	if f := classifyPassing(e); f != nil {
		return f
	}
	if f := classifyParameter(e); f != nil {
		return f
	}
	if f := classifyAccess(e, at); f != nil {
		return f
	}
	if f := classifyResources(e, at); f != nil {
		return f
	}
	if f := classifySlot(e, at); f != nil {
		return f
	}
	if f := classifyConfiguration(e); f != nil {
		return f
	}
	return &fault{remedy: retrySlowly, cause: causeUnknown}
}

// classifyPassing knows what goes away by itself.
func classifyPassing(e *pgconn.PgError) *fault {
	switch {
	case e.Code == "57P01" || e.Code == "57014": // admin_shutdown, query_canceled
		return &fault{remedy: retryFast, cause: causeTerminated}
	case e.Code == "57P02" || e.Code == "57P03": // crash_shutdown, cannot_connect_now
		return &fault{remedy: retryFast, cause: causeStopping}
	case e.Code == "08P01" && strings.Contains(e.Message, "startup parameter"):
		return pooler()
	case e.Code == "26000" || e.Code == "42P05": // a statement was prepared on one connection and looked for on another
		return pooler()
	case strings.HasPrefix(e.Code, "08"):
		return &fault{remedy: retryFast, cause: causeNetwork}
	case catalog.IsUntranslatable(e):
		return &fault{remedy: retryFast, cause: causeEncoding}
	}
	return nil
}

func pooler() *fault {
	return &fault{
		remedy: operate, cause: causeConfiguration,
		advice: "database-url leads to a pooler that does not pass the replication protocol: use the server's own host and port",
	}
}

// quoted finds what Postgres quotes in a text, in whatever language: of one about a
// setting the first is its name.
var quoted = regexp.MustCompile(`["«„“»]\s?([^"«„“»”]*?)\s?["»“”«]`)

// classifyParameter knows what Postgres refuses of the parameters in database-url
// that go to it as settings of the session. In the life of a connection only its
// beginning is refused with FATAL.
func classifyParameter(e *pgconn.PgError) *fault {
	isSwitch := concerns(e, "process_postgres_switches", "invalid command-line argument")
	if e.SeverityUnlocalized != "FATAL" || !isSwitch && !concerns(e, "guc", "unrecognized configuration parameter ") {
		return nil
	}
	name, found := "a parameter", quoted.FindAllStringSubmatch(e.Message, 2)
	switch {
	case isSwitch:
		name = "parameter options"
	case e.Routine == "call_string_check_hook" && len(found) == 1: // the value alone, as the one setting has a text of its own
		name = "parameter role"
	case len(found) > 0:
		name = "parameter " + found[0][1]
	}
	return &fault{
		remedy: operate, cause: causeConfiguration,
		advice: "Postgres does not take " + name + " of database-url: correct it, or leave it out",
	}
}

// classifyAccess knows what keeps a role out.
func classifyAccess(e *pgconn.PgError, at target) *fault {
	role, database := quoteIdentifier(at.role), quoteIdentifier(at.database)
	switch {
	case e.Code == "28P01":
		return &fault{
			remedy: operate, cause: causeAuth,
			advice: "the password of role " + role + " in database-url is wrong, or the role does not exist",
		}
	case strings.HasPrefix(e.Code, "28"):
		return &fault{
			remedy: operate, cause: causeAuth,
			advice: "the server does not let role " + role + " in from here: check the role in database-url, sslmode and pg_hba.conf",
		}
	case e.Code == "3D000":
		return &fault{
			remedy: operate, cause: causeDatabase,
			advice: "database " + database + " does not exist: correct database-url",
		}
	case e.Code == "42501" && strings.Contains(e.Message, "permission denied for database"):
		return &fault{
			remedy: operate, cause: causePermission,
			advice: "role " + role + " may not connect: GRANT CONNECT ON DATABASE " + database + " TO " + role,
		}
	case e.Code == "42501":
		return &fault{
			remedy: operate, cause: causePermission,
			advice: "role " + role + " may not replicate: ALTER ROLE " + role + " REPLICATION (on Amazon RDS: GRANT rds_replication TO " + role + ")",
		}
	}
	return nil
}

// classifyResources knows what the server has run out of.
func classifyResources(e *pgconn.PgError, at target) *fault {
	switch {
	case e.Code == "53400":
		return &fault{
			remedy: operate, cause: causeResources,
			advice: "no replication slot is free for " + quoteIdentifier(at.slot) + ": drop one that nobody uses, or raise max_replication_slots and restart Postgres",
		}
	case e.Code == "53300" && strings.Contains(e.Message, "max_wal_senders"):
		return &fault{
			remedy: operate, cause: causeResources,
			advice: "no replication connection is free: raise max_wal_senders and restart Postgres",
		}
	case e.Code == "53300":
		return &fault{
			remedy: retrySlowly, cause: causeResources,
			advice: "no connection is free: raise max_connections of Postgres, or use fewer elsewhere",
		}
	case e.Code == "53100":
		return &fault{remedy: retrySlowly, cause: causeResources, advice: "the disk of the Postgres server is full"}
	case strings.HasPrefix(e.Code, "53"):
		return &fault{remedy: retrySlowly, cause: causeResources}
	}
	return nil
}

// classifySlot knows what happens to slots and publications. The slot's row,
// read before each start, is the better witness: a text may be translated.
func classifySlot(e *pgconn.PgError, at target) *fault {
	slot := quoteIdentifier(at.slot)
	switch {
	case e.Code == "55006" && concerns(e, "slot", "replication slot "):
		return slotInUse(at.slot, "another process")
	case e.Code == "55006": // a database being renamed, and the like
		return &fault{remedy: retrySlowly, cause: causeDatabase}
	case e.Code == "42704" && concerns(e, "slot", "replication slot "):
		return &fault{remedy: retryFast, cause: causeSlotLost} // the row decides
	case e.Code == "42704" && concerns(e, "publication", "publication "):
		return &fault{remedy: renew, cause: causePublication}
	case e.Code == "55000" && mentions(e, "wal_level"):
		return wrongWALLevel("")
	case e.Code == "55000" && mentions(e, "was not created in this database"):
		return &fault{
			remedy: operate, cause: causeConfiguration,
			advice: "slot " + slot + " belongs to another database: set slot to another name",
		}
	case e.Code == "55000" && mentions(e, "invalidated", "never previously reserved", "can no longer access", "can no longer get changes"):
		return &fault{remedy: renew, cause: causeSlotLost}
	}
	return nil
}

func slotInUse(slot, holder string) *fault {
	return &fault{
		remedy: retryFast, cause: causeSlotBusy,
		advice: "slot " + quoteIdentifier(slot) + " is in use by " + holder + ": stop it, or set slot to another name",
	}
}

// mentions looks for words in what the server says.
func mentions(e *pgconn.PgError, words ...string) bool {
	for _, word := range words {
		if strings.Contains(e.Message+"\n"+e.Detail, word) {
			return true
		}
	}
	return false
}

// concerns tells what kind of thing an error is about by the server's source
// file and routine that raised it, or by how the message begins if these are not
// told.
func concerns(e *pgconn.PgError, source, beginning string) bool {
	if e.File+e.Routine != "" {
		return strings.Contains(strings.ToLower(e.File+" "+e.Routine), source)
	}
	return strings.HasPrefix(e.Message, beginning)
}

// classifyConfiguration knows what no retry mends.
func classifyConfiguration(e *pgconn.PgError) *fault {
	switch {
	case e.Code == "0A000" && strings.Contains(e.Message, "in recovery"):
		return standbyTooOld()
	case e.Code == "0A000" && (concerns(e, "column_list_init", "cannot use different column lists") || concerns(e, "init_gencol", "cannot use different values of publish_generated_columns")):
		return &fault{remedy: renew, cause: causeLists} // what was written meanwhile is decoded as the publications were then
	case e.Code == "0A000", e.Code == "22023", e.Code == "42601", e.Code == "42602":
		return &fault{remedy: operate, cause: causeConfiguration}
	case e.Code == "XX000" && strings.Contains(e.Message, "unrecognized pgoutput option"):
		return &fault{remedy: operate, cause: causeConfiguration}
	}
	return nil
}

func wrongWALLevel(level string) *fault {
	advice := "wal_level must be logical"
	if level != "" {
		advice += " and is " + level
	}
	return &fault{
		remedy: operate, cause: causeConfiguration,
		advice: advice + ": run ALTER SYSTEM SET wal_level = 'logical' and restart Postgres (a managed service has a setting for it)",
	}
}

func standbyTooOld() *fault {
	return &fault{
		remedy: operate, cause: causeConfiguration,
		advice: "database-url leads to a standby, which can be read from Postgres 16 on only: use the primary",
	}
}

// isNetwork recognises what a broken or refused connection looks like.
func isNetwork(err error) bool {
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		errors.Is(err, context.DeadlineExceeded):
		return true
	case errors.As(err, &timeout): // net.Error and what wraps it
		return true
	}
	return pgconn.SafeToRetry(err) || pgconn.Timeout(err)
}
