package diagnose

import (
	"cmp"
	"fmt"
	"strings"

	"walcast/replication/catalog"
)

// cure is SQL that cures a problem, with what else it does. Without SQL it says why
// all SQL that there is would break the application.
type cure struct{ fix, cost string }

// The costs of statements.
const (
	costOfFull    = "UPDATE and DELETE then write the whole old row to the WAL"
	costOfLogged  = "nobody can use the table while it is rewritten, and all of it is written to the WAL"
	costOfLeaves  = "it concerns all tables of the publication: whoever listens to a partitioned table hears no more of it"
	costOfRoot    = "it concerns all tables of the publication: whoever listens to a partition hears no more of it"
	costOfSchema  = "only a superuser may; a table that is made there later without a primary key refuses UPDATE and DELETE"
	costOfGrant   = "whoever has the role can then read this wherever it connects"
	costOfUsage   = "the role can then use all that is granted to it in the schema, or to everybody, as functions are at first"
	costOfPolicy  = "everybody with the role sees every row"
	costOfNew     = "name all tables that are to have changes"
	partitionsOne = 20 // partitions that are named one by one
)

// unjudgedCure is said in place of SQL: only the owner knows which columns make a key.
const unjudgedCure = "give the table a primary key, or have its policies read published columns only"

// fullIdentity has the old row of UPDATE and DELETE written whole. Partitions have
// identities of their own, which alone count for their rows.
func fullIdentity(name string, s catalog.Shape) cure {
	switch {
	case s.Listed != "":
		return cure{cost: fmt.Sprintf("REPLICA IDENTITY FULL would make every UPDATE of the table fail, as publication %s has a list of its columns", quote(s.Listed))}
	case s.Generated:
		return cure{cost: "REPLICA IDENTITY FULL would make every UPDATE of the table fail, as it has generated columns, which are not published"}
	case len(s.Partitions) > partitionsOne:
		return cure{cost: fmt.Sprintf("it takes REPLICA IDENTITY FULL for the table and for each of its %d partitions", len(s.Partitions))}
	}
	statements := []string{fullIdentityOf(name)}
	for _, partition := range s.Partitions {
		statements = append(statements, fullIdentityOf(partition))
	}
	full := cure{fix: strings.Join(statements, " "), cost: costOfFull}
	if len(s.Partitions) > 0 {
		full.cost += "; partitions that are made later need it too"
	}
	return full
}

func fullIdentityOf(name string) string { return "ALTER TABLE " + name + " REPLICA IDENTITY FULL;" }

// publishing adds a table to the publication, or makes the one that is missing for
// it. A table without an identity is given one before, as its UPDATE and DELETE would
// fail.
//
// Of a table that others inherit from it names this one alone: a binding to it has no
// rows of theirs, and they may lack an identity.
func publishing(name, missing string, a catalog.Absence) cure {
	alone := name
	if a.Inherited {
		alone = "ONLY " + name
	}
	add := cure{fix: fmt.Sprintf("ALTER PUBLICATION %s ADD TABLE %s;", quote(a.Target.Publication), alone)}
	switch {
	case a.Target.Publication == "" && a.Kind == "p":
		add.fix = fmt.Sprintf("CREATE PUBLICATION %s FOR TABLE %s WITH (publish_via_partition_root = true);", quote(missing), name)
	case a.Target.Publication == "":
		add.fix = fmt.Sprintf("CREATE PUBLICATION %s FOR TABLE %s;", quote(missing), alone)
	case a.Target.AllTables:
		add.fix = ""
	case a.Kind == "p" && !a.Target.ViaRoot:
		by := publishingBy(true, a)
		add = cure{fix: add.fix + " " + by.fix, cost: by.cost}
	}
	if a.Shape.Unidentified && a.Target.OldRows {
		identity := fullIdentity(name, a.Shape)
		if identity.fix == "" {
			return cure{cost: "the table needs a primary key first, as its UPDATE and DELETE would fail without; " + identity.cost}
		}
		add.fix = strings.TrimSpace(identity.fix + " " + add.fix)
		if add.cost != "" {
			add.cost = "; " + add.cost
		}
		add.cost = identity.cost + add.cost
	}
	return add
}

// publishingLogged is publishing for an unlogged table, which has to be made a
// logged one first.
func publishingLogged(name, missing string, a catalog.Absence) cure {
	add := publishing(name, missing, a)
	if a.Kind != "r" || add.fix == "" && !a.Target.AllTables {
		return cure{cost: cmp.Or(add.cost, "a partitioned table cannot be made logged")}
	} else if a.RefersToUnlogged {
		return cure{cost: "it refers to another unlogged table by a foreign key, and that one has to be made logged first"}
	}
	logged := fmt.Sprintf("ALTER TABLE %s SET LOGGED; ", name)
	costs := costOfLogged
	if add.cost != "" {
		costs += "; " + add.cost
	}
	return cure{fix: strings.TrimSpace(logged + add.fix), cost: costs}
}

// publishingSchema adds all tables of a schema to the publication, or makes the one
// that is missing for them.
func publishingSchema(schema, missing string, a catalog.Absence) cure {
	target, name := a.Target, quote(schema)
	switch {
	case a.System || !a.Schema.Exists || target.AllTables:
		return cure{}
	case !a.Schema.Publishable:
		return cure{cost: "Postgres 14 publishes tables one by one"}
	case target.Lists:
		return cure{cost: fmt.Sprintf("publication %s has lists of columns, and therefore takes no schemas", quote(target.Publication))}
	case a.Schema.Unidentified > 0 && target.OldRows:
		return cure{cost: fmt.Sprintf("%d tables or partitions of schema %s have no primary key: publishing the schema would make their UPDATE and DELETE fail", a.Schema.Unidentified, name)}
	case target.Publication == "":
		return cure{fix: fmt.Sprintf("CREATE PUBLICATION %s FOR TABLES IN SCHEMA %s;", quote(missing), name), cost: costOfSchema}
	}
	return cure{fix: fmt.Sprintf("ALTER PUBLICATION %s ADD TABLES IN SCHEMA %s;", quote(target.Publication), name), cost: costOfSchema}
}

// publishingBy has a publication name partitioned tables, or else their partitions.
func publishingBy(root bool, a catalog.Absence) cure {
	if !root && a.Target.PartsRoots {
		return cure{cost: fmt.Sprintf("publication %s has lists of columns or filters of rows of partitioned tables, and therefore names no partitions", quote(a.Target.Publication))}
	}
	costs := costOfLeaves
	if root {
		costs = costOfRoot
	}
	return cure{fix: fmt.Sprintf("ALTER PUBLICATION %s SET (publish_via_partition_root = %t);", quote(a.Target.Publication), root), cost: costs}
}
