package migrations

import "strings"

const (
	printHead = `-- The schema realtime for walcast, as "walcast migrate" makes it. Run it once, as
-- owner of the database: psql -v ON_ERROR_STOP=1 -f FILE. "walcast migrate" and
-- "walcast migrate --remove" then treat it as their own.

`
	printTail = `
-- Partitions; the server keeps them from now on.
select * from realtime.walcast_upkeep();
`
)

// Print returns the SQL of all migrations, for databases that are migrated by
// other means. Running it has the same effect as Apply on a database without a
// schema realtime.
func Print() (string, error) {
	all, err := load()
	if err != nil {
		return "", err
	}
	grants, err := text("grants.sql")
	if err != nil {
		return "", err
	}
	var out strings.Builder
	out.WriteString(printHead)
	for _, m := range all {
		out.WriteString("begin;\n\n" + m.sql + "\ncommit;\n\n")
	}
	out.WriteString(grants + printTail)
	return out.String(), nil
}
