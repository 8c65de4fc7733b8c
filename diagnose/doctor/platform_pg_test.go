package doctor

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"walcast/internal/devdb"
	"walcast/replication"
)

// platformCase is a database made to look like that of a managed service, and what is
// said of it: of wal_level, of another setting, of walcast's role, and of a pooler.
type platformCase struct {
	platform        string
	looks           string // SQL that makes it look so
	logical, keep   string
	grant, by       string // "" where the role is made in a console
	console, direct string
}

var platformCases = []platformCase{
	{
		platform: "Amazon RDS", looks: `create role rdsadmin; create role rds_replication; alter database $db set "rds.logical_replication" = 'off'`,
		logical: "set rds.logical_replication = 1 in the DB parameter group of the instance, and reboot it", keep: "set the parameter max_slot_wal_keep_size = 10GB in the DB parameter group",
		grant: `GRANT rds_replication TO "$role";`, by: "a member of rds_superuser", direct: "the instance's own endpoint: RDS Proxy does not pass",
	},
	{
		platform: "Amazon Aurora", looks: `create role rdsadmin; create role rds_replication; create function aurora_version() returns text language sql as $$ select '15.4' $$`,
		logical: "in the DB cluster parameter group, and reboot the writer", keep: "set the parameter max_slot_wal_keep_size = 10GB in the DB cluster parameter group",
		grant: `GRANT rds_replication TO "$role";`, by: "a member of rds_superuser", direct: "the cluster's writer endpoint",
	},
	{
		platform: "Google Cloud SQL", looks: `create role cloudsqlsuperuser`,
		logical: "set the flag cloudsql.logical_decoding = on of the instance, and restart it", keep: "set the flag max_slot_wal_keep_size = 10GB of the instance (gcloud sql instances patch",
		grant: `ALTER USER "$role" WITH REPLICATION;`, by: "a member of cloudsqlsuperuser", direct: "the instance's own address or the Cloud SQL Auth Proxy",
	},
	{
		platform: "Google Cloud SQL", looks: `alter database $db set "cloudsql.logical_decoding" = 'off'`,
		logical: "set the flag cloudsql.logical_decoding = on", keep: "set the flag max_slot_wal_keep_size",
		grant: `ALTER USER "$role" WITH REPLICATION;`, by: "a member of cloudsqlsuperuser", direct: "the instance's own address",
	},
	{
		platform: "Azure Database for PostgreSQL", looks: `create role azure_pg_admin; alter database $db set "azure.extensions" = 'pgcrypto'`,
		logical: "set the server parameter wal_level = logical, and restart the server", keep: "Azure lets nobody change it: watch the storage that is used",
		grant: `ALTER ROLE "$role" WITH REPLICATION;`, by: "a member of azure_pg_admin", direct: "port 5432: the built-in PgBouncer at port 6432",
	},
	{
		platform: "Neon", looks: `create role neon_superuser; alter database $db set "neon.tenant_id" = 'x'`,
		logical: "enable logical replication in the settings of the project, which cannot be taken back", keep: "Neon sets max_slot_wal_keep_size itself",
		console: "make the role in Neon's console, CLI or API", direct: "use the host without -pooler in its name",
	},
	{
		platform: "Supabase", looks: `create role supabase_admin`,
		logical: "wal_level is logical on Supabase", keep: "supabase --experimental postgres-config update --config max_slot_wal_keep_size=10GB",
		grant: `ALTER ROLE "$role" WITH REPLICATION;`, by: "postgres", direct: "use the direct connection (db.PROJECT.supabase.co:5432",
	},
	{
		platform: "Crunchy Bridge", looks: `create role crunchy_superuser`,
		logical: "set the parameter wal_level = logical of the cluster, and restart it", keep: "set the parameter max_slot_wal_keep_size = 10GB of the cluster (cb config-param set",
		grant: `ALTER ROLE "$role" WITH REPLICATION;`, by: "postgres", direct: "use the cluster's own port, not that of PgBouncer",
	},
	{
		platform: "DigitalOcean", looks: `create role doadmin`,
		logical: "wal_level is logical on DigitalOcean", keep: "set max_slot_wal_keep_size = 10GB in the configuration of the cluster (doctl",
		grant: `ALTER ROLE "$role" WITH REPLICATION;`, by: "doadmin", direct: "use the cluster's own port 25060",
	},
}

// TestPlatformsAreToldAndSpokenTo in their words: which setting, which role, which host.
func TestPlatformsAreToldAndSpokenTo(t *testing.T) {
	server := devdb.OpenServer(t, devdb.Options{Settings: map[string]string{"wal_level": "replica"}})
	for i, c := range platformCases {
		t.Run(fmt.Sprintf("%s %d", c.platform, i), func(t *testing.T) {
			l := labOn(t, server, `drop table if exists t; drop publication if exists rows`, healthy)
			t.Cleanup(func() { l.plainAgain() })
			l.run(c.looksOn(l))
			l.config.Probe = func(context.Context) (string, error) { return "", poolerError() }
			r := l.examine()
			if r.Platform != c.platform {
				t.Errorf("the platform is %q", r.Platform)
			}
			l.want(r, Finding{Code: "wal_level", Verdict: Problem, About: About{Setting, "wal_level"}, Reason: "wal_level is replica", Advice: c.logical, Restart: true})
			l.want(r, Finding{Code: "max_slot_wal_keep_size", Verdict: Warning, About: About{Setting, "max_slot_wal_keep_size"}, Reason: "is not set", Advice: c.keep})
			l.want(r, Finding{Code: "pooler", Verdict: Problem, About: About{Server, "$db"}, Reason: "leads to a pooler", Advice: c.direct})

			l.run("alter role $role noreplication")
			want := Finding{Code: "replication", Verdict: Problem, About: About{Role, "$role"}, Reason: "may not replicate", Fix: c.grant, By: c.by, Advice: c.console}
			l.want(l.examine(), want)
			if c.grant == "" {
				return
			}
			l.run(l.named(want).Fix)
			if found := l.examine().of("replication"); len(found) != 1 || found[0].Verdict != OK {
				t.Errorf("after the fix it has %+v", found)
			}
		})
	}
}

// looksOn is the SQL for a database.
func (c platformCase) looksOn(l *lab) string { return l.named(Finding{Reason: c.looks}).Reason }

// plainAgain takes away what the database looks like.
func (l *lab) plainAgain() {
	for _, p := range platforms() {
		for _, role := range append(p.marks.roles, "rds_replication") {
			if _, err := l.db.Pool.Exec(context.Background(), "drop role if exists "+role); err != nil {
				l.Errorf("drop role %s: %v", role, err)
			}
		}
	}
	l.db.Exec("drop function if exists aurora_version(); alter database " + l.db.Name + " reset all")
}

// poolerError is the error that a pooler's answer makes.
func poolerError() error {
	return replication.Explain(&pgconn.PgError{Code: "08P01", Message: "unsupported startup parameter: replication"}, &pgconn.Config{})
}

// TestVersions is a function of facts: there is only one of each major version here.
func TestVersions(t *testing.T) {
	for _, c := range []struct {
		number  int
		version string
		want    Finding
	}{
		{130020, "13.20", problem("version", Server, "app", "Postgres 13.20 is too old: walcast needs 14 or newer").advised("upgrade Postgres")},
		{160003, "16.3", warning("version", Server, "app", "Postgres 16.3 may lose changes, or end the stream for want of memory, while tables or publications are altered: 16.10 does not").
			advised("install the newest minor version of Postgres 16, which takes a restart")},
		{170006, "17.6", fine("version", Server, "app", "Postgres 17.6")},
		{180000, "18.0", fine("version", Server, "app", "Postgres 18.0")},
		{190001, "19.1", warning("version", Server, "app", "Postgres 19.1 is newer than what this walcast was tested with, which is 14 to 18").advised("look for a newer walcast")},
	} {
		f := &facts{server: server{number: c.number, version: c.version, database: "app"}}
		if got := version(f); len(got) != 1 || got[0] != c.want {
			t.Errorf("of %s it says %+v; want %+v", c.version, got, c.want)
		}
	}
}

// TestAConnectionInTheClearIsFound where it leaves private networks.
func TestAConnectionInTheClearIsFound(t *testing.T) {
	for s, want := range map[server]Verdict{{isSecret: true}: OK, {isNear: true}: OK, {}: Warning} {
		if got := encryption(&facts{server: s}); len(got) != 1 || got[0].Verdict != want || got[0].Code != "encryption" {
			t.Errorf("%+v is told %+v; want %s", s, got, want)
		}
	}
}
