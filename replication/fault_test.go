package replication

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// faultCases is the table of errors that users and drills meet, with the
// server's texts of versions 14 to 18.
var faultCases = []struct {
	err    error
	remedy remedy
	cause  string
	advice string // a part of it
}{
	{io.EOF, retryFast, causeNetwork, ""},
	{io.ErrUnexpectedEOF, retryFast, causeNetwork, ""},
	{&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, retryFast, causeNetwork, ""},
	{&net.OpError{Op: "write", Err: syscall.EPIPE}, retryFast, causeNetwork, ""},
	{&net.DNSError{Err: "no such host", Name: "db"}, retryFast, causeNetwork, ""},
	{context.DeadlineExceeded, retryFast, causeNetwork, ""},
	{errStalled, retryFast, causeStalled, ""},
	{&tls.CertificateVerificationError{Err: errors.New("unknown authority")}, operate, causeAuth, "sslrootcert"},
	{errors.New("server refused TLS connection"), operate, causeAuth, "sslmode"},

	{pg("57P01", "terminating connection due to administrator command"), retryFast, causeTerminated, ""},
	{pg("57P02", "terminating connection because of crash of another server process"), retryFast, causeStopping, ""},
	{pg("57P03", "the database system is starting up"), retryFast, causeStopping, ""},
	{pg("57P03", "the database system is shutting down"), retryFast, causeStopping, ""},
	{pg("57014", "canceling statement due to user request"), retryFast, causeTerminated, ""},
	{pg("08006", "connection failure"), retryFast, causeNetwork, ""},
	{pg("08P01", "unsupported startup parameter: replication"), operate, causeConfiguration, "pooler"},
	{pg("26000", `prepared statement "stmtcache_1" does not exist`), operate, causeConfiguration, "pooler"},
	{pg("42P05", `prepared statement "stmtcache_1" already exists`), operate, causeConfiguration, "pooler"},
	{fatal("42704", `unrecognized configuration parameter "schema"`), operate, causeConfiguration, "parameter schema of database-url"},
	{fatal("22023", `ungültiger Wert für Parameter »work_mem«: »x«`), operate, causeConfiguration, "parameter work_mem of database-url"},
	{fatal("42501", `permission denied to set parameter "log_statement"`), operate, causeConfiguration, "parameter log_statement of database-url"},

	{pg("28P01", `password authentication failed for user "app"`), operate, causeAuth, `password of role "app"`},
	{pg("28000", `no pg_hba.conf entry for host "10.0.0.1", user "app", database "shop", no encryption`), operate, causeAuth, "pg_hba.conf"},
	{pg("28000", `role "app" does not exist`), operate, causeAuth, `role "app"`},
	{pg("42501", "must be superuser or replication role to start walsender"), operate, causePermission, `ALTER ROLE "app" REPLICATION`},
	{pg("42501", "permission denied to start WAL sender"), operate, causePermission, "rds_replication"},
	{pg("42501", `permission denied for database "shop"`), operate, causePermission, `GRANT CONNECT ON DATABASE "shop" TO "app"`},
	{pg("3D000", `database "shop" does not exist`), operate, causeDatabase, `database "shop" does not exist`},
	{pg("53300", "number of requested standby connections exceeds max_wal_senders (currently 4)"), operate, causeResources, "max_wal_senders"},
	{pg("53300", "sorry, too many clients already"), retrySlowly, causeResources, "max_connections"},
	{pg("53400", "all replication slots are in use"), operate, causeResources, "max_replication_slots"},
	{pg("53100", "could not write to data file: No space left on device"), retrySlowly, causeResources, "disk"},
	{pg("53200", "out of memory"), retrySlowly, causeResources, ""},

	{pg("55006", `replication slot "s" is active for PID 42`), retryFast, causeSlotBusy, `slot "s" is in use`},
	{pg("55006", `database "shop" is being accessed by other users`), retrySlowly, causeDatabase, ""},
	{pg("42704", `replication slot "s" does not exist`), retryFast, causeSlotLost, ""},
	{pg("42704", `publication "p" does not exist`), renew, causePublication, ""},
	{pg("42704", `replication slot "publication" does not exist`), retryFast, causeSlotLost, ""},
	{pg("42704", `publication "slot" does not exist`), renew, causePublication, ""},
	{raised("42704", "Publikation »p« existiert nicht", "lsyscache.c", "get_publication_oid"), renew, causePublication, ""},
	{raised("42704", "Replikations-Slot »s« existiert nicht", "slot.c", "ReplicationSlotAcquire"), retryFast, causeSlotLost, ""},
	{detailed("55000", `cannot read from logical replication slot "s"`, "This slot has been invalidated because it exceeded the maximum reserved size."), renew, causeSlotLost, ""},
	{detailed("55000", `can no longer access replication slot "s"`, `This replication slot has been invalidated due to "wal_removed".`), renew, causeSlotLost, ""},
	{pg("55000", `can no longer get changes from replication slot "s"`), renew, causeSlotLost, ""},
	{pg("55000", "logical decoding requires wal_level >= logical"), operate, causeConfiguration, "ALTER SYSTEM SET wal_level"},
	{pg("55000", `replication slot "s" was not created in this database`), operate, causeConfiguration, "another database"},
	{pg("55000", "something else"), retrySlowly, causeUnknown, ""},

	{pg("0A000", "logical decoding cannot be used while in recovery"), operate, causeConfiguration, "standby"},
	{pg("0A000", `cannot use different column lists for table "public.a" in different publications`), renew, causeLists, ""},
	{raised("0A000", "unterschiedliche Spaltenlisten", "pgoutput.c", "pgoutput_column_list_init"), renew, causeLists, ""},
	{pg("0A000", `cannot use different values of publish_generated_columns for table "public.a" in different publications`), renew, causeLists, ""},
	{raised("0A000", "client sent proto_version=4 but we only support protocol 3 or lower", "pgoutput.c", "pgoutput_startup"), operate, causeConfiguration, ""},
	{pg("0A000", "client sent proto_version=4 but we only support protocol 3 or lower"), operate, causeConfiguration, ""},
	{pg("22023", "requested proto_version=1 does not support streaming, need 2 or higher"), operate, causeConfiguration, ""},
	{pg("42601", "streaming requires a Boolean value"), operate, causeConfiguration, ""},
	{pg("42602", "invalid publication_names syntax"), operate, causeConfiguration, ""},
	{pg("XX000", "unrecognized pgoutput option: origin"), operate, causeConfiguration, ""},
	{pg("XX000", "invalid memory alloc request size 1073741824"), retrySlowly, causeUnknown, ""},
	{pg("22P05", `character with byte sequence 0x81 in encoding "WIN1252" has no equivalent in encoding "UTF8"`), retryFast, causeEncoding, ""},
	{pg("22012", "division by zero"), retrySlowly, causeUnknown, ""}, // of a statement; see filterWatch for the stream
	{pg("21000", "never seen before"), retrySlowly, causeUnknown, ""},
	{errors.New("never seen before"), retrySlowly, causeUnknown, ""},
}

func pg(code, message string) *pgconn.PgError {
	return &pgconn.PgError{Severity: "ERROR", Code: code, Message: message}
}

// fatal is what Postgres says of a setting in the startup message.
func fatal(code, message string) *pgconn.PgError {
	return &pgconn.PgError{Severity: "FATAL", SeverityUnlocalized: "FATAL", Code: code, Message: message, File: "guc.c"}
}

func detailed(code, message, detail string) *pgconn.PgError {
	e := pg(code, message)
	e.Detail = detail
	return e
}

func raised(code, message, file, routine string) *pgconn.PgError {
	e := pg(code, message)
	e.File, e.Routine = file, routine
	return e
}

func TestDiagnose(t *testing.T) {
	at := target{role: "app", database: "shop", slot: "s"}
	for _, c := range faultCases {
		t.Run(c.err.Error(), func(t *testing.T) {
			f := classify(fmt.Errorf("attempt: %w", c.err), at)
			if f.remedy != c.remedy || f.cause != c.cause || !strings.Contains(f.advice, c.advice) {
				t.Errorf("classify = remedy %d, cause %s, advice %q; want %d, %s, %q", f.remedy, f.cause, f.advice, c.remedy, c.cause, c.advice)
			}
			if !slices.Contains(causes(), f.cause) {
				t.Errorf("cause %q is not in causes()", f.cause)
			}
			if !errors.Is(f, c.err) {
				t.Errorf("the fault hides %v", c.err)
			}
		})
	}
}

func TestAnUnknownErrorIsNeverANewHistory(t *testing.T) {
	for _, code := range []string{"XX000", "XX001", "55000", "42704", "P0001", "58P01", "25006"} {
		if f := classify(pg(code, "?"), target{}); f.remedy == renew {
			t.Errorf("classify of %s starts a new history", code)
		}
	}
}

func TestFaultIsOneSentenceWithTheCauseBehindIt(t *testing.T) {
	cases := []struct {
		fault fault
		want  string
	}{
		{fault{advice: "do this"}, "do this"},
		{fault{err: io.EOF}, "EOF"},
		{fault{advice: "do this", err: io.EOF}, "do this (EOF)"},
	}
	for _, c := range cases {
		if got := c.fault.Error(); got != c.want {
			t.Errorf("Error() = %q; want %q", got, c.want)
		}
	}
}
