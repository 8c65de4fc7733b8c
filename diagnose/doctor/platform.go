package doctor

import (
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// platform is a managed service, and the words that it has for what is plain SQL
// elsewhere. The zero platform is a Postgres of one's own.
type platform struct {
	name  string // "" for none that is known
	marks marks

	setting string            // how a setting is changed, with its name and value; "" for ALTER SYSTEM
	logical string            // how wal_level becomes logical; "" as other settings
	refused map[string]string // settings that it lets nobody change, and what to do instead

	replication string // SQL that lets a role replicate; "" where none does
	by          string // who may run it
	console     string // how such a role is made without SQL
	direct      string // where Postgres is reached itself, without a pooler
}

// marks are what only the databases of a platform have; any of them will do.
type marks struct{ roles, settings, functions []string }

// superuser is who may do what no other role may on a Postgres of one's own.
const superuser = "a superuser"

const alterRole = "ALTER ROLE %s WITH REPLICATION;"

// platforms lists those that can be told, those first that look like another as well.
func platforms() []platform {
	return []platform{
		{
			name: "Amazon Aurora", marks: marks{functions: []string{"aurora_version"}},
			setting: "set the parameter %s = %s in the DB cluster parameter group", logical: "set rds.logical_replication = 1 in the DB cluster parameter group, and reboot the writer",
			replication: "GRANT rds_replication TO %s;", by: "a member of rds_superuser", direct: "use the cluster's writer endpoint: RDS Proxy does not pass the replication protocol",
		},
		{
			name: "Amazon RDS", marks: marks{roles: []string{"rdsadmin", "rds_superuser"}, settings: []string{"rds.logical_replication", "rds.extensions"}},
			setting: "set the parameter %s = %s in the DB parameter group of the instance", logical: "set rds.logical_replication = 1 in the DB parameter group of the instance, and reboot it",
			replication: "GRANT rds_replication TO %s;", by: "a member of rds_superuser", direct: "use the instance's own endpoint: RDS Proxy does not pass the replication protocol",
		},
		{
			name: "Google Cloud SQL", marks: marks{roles: []string{"cloudsqlsuperuser", "cloudsqladmin"}, settings: []string{"cloudsql.logical_decoding", "cloudsql.iam_authentication"}},
			setting: "set the flag %s = %s of the instance (gcloud sql instances patch INSTANCE --database-flags=…, with all flags that are to be set)",
			logical: "set the flag cloudsql.logical_decoding = on of the instance, and restart it", replication: "ALTER USER %s WITH REPLICATION;", by: "a member of cloudsqlsuperuser",
			direct: "use the instance's own address or the Cloud SQL Auth Proxy, not its connection pooling",
		},
		{
			name: "Azure Database for PostgreSQL", marks: marks{roles: []string{"azure_pg_admin", "azuresu"}, settings: []string{"azure.extensions", "azure.accepted_password_auth_method"}},
			setting: "set the server parameter %s = %s", logical: "set the server parameter wal_level = logical, and restart the server",
			refused:     map[string]string{"max_slot_wal_keep_size": "Azure lets nobody change it: watch the storage that is used, and drop the slot when walcast is not used any more"},
			replication: alterRole, by: "a member of azure_pg_admin", direct: "use port 5432: the built-in PgBouncer at port 6432 does not pass the replication protocol",
		},
		{
			name: "Neon", marks: marks{roles: []string{"neon_superuser"}, settings: []string{"neon.tenant_id", "neon.timeline_id"}},
			setting: "Neon sets %s itself (%s is needed): ask its support", logical: "enable logical replication in the settings of the project, which cannot be taken back",
			console: "make the role in Neon's console, CLI or API: roles made there may replicate, and those made with SQL may not", direct: "use the host without -pooler in its name",
		},
		{
			name: "Supabase", marks: marks{roles: []string{"supabase_admin", "supabase_replication_admin"}},
			setting: "set it with Supabase's CLI: supabase --experimental postgres-config update --config %s=%s", logical: "wal_level is logical on Supabase unless it was changed: set it back, and restart",
			replication: alterRole, by: "postgres", direct: "use the direct connection (db.PROJECT.supabase.co:5432, over IPv6 or with the IPv4 add-on): Supavisor does not pass the replication protocol",
		},
		{
			name: "Crunchy Bridge", marks: marks{roles: []string{"crunchy_superuser", "crunchy_replication"}},
			setting: "set the parameter %s = %s of the cluster (cb config-param set, or the dashboard)", logical: "set the parameter wal_level = logical of the cluster, and restart it",
			replication: alterRole, by: "postgres", direct: "use the cluster's own port, not that of PgBouncer",
		},
		{
			name: "DigitalOcean", marks: marks{roles: []string{"doadmin", "_doroot"}},
			setting: "set %s = %s in the configuration of the cluster (doctl databases configuration update ID --engine pg, or the API)",
			logical: "wal_level is logical on DigitalOcean: ask its support", replication: alterRole, by: "doadmin",
			direct: "use the cluster's own port 25060, not that of a connection pool",
		},
	}
}

// detect tells the platform by which of all marks a database has.
func detect(has marks) platform {
	some := func(wanted, there []string) bool {
		return slices.ContainsFunc(wanted, func(name string) bool { return slices.Contains(there, name) })
	}
	for _, p := range platforms() {
		if some(p.marks.roles, has.roles) || some(p.marks.settings, has.settings) || some(p.marks.functions, has.functions) {
			return p
		}
	}
	return platform{}
}

// allMarks are those of all platforms.
func allMarks() (all marks) {
	for _, p := range platforms() {
		all.roles = append(all.roles, p.marks.roles...)
		all.settings = append(all.settings, p.marks.settings...)
		all.functions = append(all.functions, p.marks.functions...)
	}
	return all
}

// change gives a finding about a setting the way to change it.
func (p platform) change(f Finding, s setting, value, cost string) Finding {
	f.Restart = s.restarts
	switch {
	case p.refused[s.name] != "":
		f.Restart = false
		return f.advised("%s", p.refused[s.name])
	case s.name == "wal_level" && p.logical != "":
		return f.advised("%s", p.logical)
	case p.setting != "":
		return f.advised(p.setting, s.name, value)
	case s.source == "command line":
		return f.advised("it is set on the command line that starts Postgres: change it there to %s = %s", s.name, value)
	}
	fix := fmt.Sprintf("ALTER SYSTEM SET %s = '%s';", s.name, value)
	if !s.restarts {
		fix += " SELECT pg_reload_conf();"
	}
	return f.cured(fix, cost, superuser)
}

// letReplicate gives a finding about a role the way to let it replicate.
func (p platform) letReplicate(f Finding, role string) Finding {
	if p.console != "" {
		return f.advised("%s", p.console)
	}
	statement, by := p.replication, p.by
	if statement == "" {
		statement, by = alterRole, superuser
	}
	return f.cured(fmt.Sprintf(statement, quote(role)), "whoever has the role's password can then read all changes of the database", by)
}

// quote is a name as SQL has it, qualified if it has several parts.
func quote(parts ...string) string { return pgx.Identifier(parts).Sanitize() }
