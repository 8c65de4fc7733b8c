package doctor

import (
	"cmp"
	"fmt"
	"strings"

	"walcast/protocol"
)

// published looks at each published table: whether the application's UPDATE and DELETE
// work, and what its changes lack.
func published(f *facts) (findings []Finding) {
	for _, t := range f.tables {
		name := t.qualified()
		if t.broken.oid != 0 {
			findings = append(findings, t.mended(problem(t.broken.code(), Table, name, "%s", t.broken.reason())))
		}
		if t.differs {
			findings = append(findings, problem(protocol.CodePublicationLists, Table, name, "the publications that walcast reads have different columns of it, which ends the stream at its first change").
				advised("make the lists of columns equal: ALTER PUBLICATION … DROP TABLE %[1]s; ALTER PUBLICATION … ADD TABLE %[1]s (…);", quote(t.schema, t.name)))
		}
		if in := t.generated.inFull; in.oid != 0 && t.broken.oid == 0 && f.server.number < 180000 {
			which := "it"
			if in.isPart {
				which = "its partition " + in.name
			}
			findings = append(findings, t.identified(warning("identity_generated", Table, name,
				"%s has REPLICA IDENTITY FULL and generated columns, which Postgres 18 refuses: after an upgrade UPDATE and DELETE fail there", which), in))
		}
		if len(t.longs) > 0 {
			findings = append(findings, fine("unchanged_values", Table, name, "an UPDATE leaves out long values that it has not changed, of %s; REPLICA IDENTITY FULL has them", strings.Join(t.longs, ", ")))
		}
		if t.isPartition {
			findings = append(findings, fine("partition", Table, name, "it is a partition, and has its changes under its own name"))
		}
	}
	return findings
}

// code is that of the finding, for programs.
func (b broken) code() string {
	switch {
	case b.none:
		return "identity_missing"
	case len(b.unlisted) > 0 && b.again == "":
		return "identity_generated"
	case len(b.unlisted) > 0:
		return "identity_not_listed"
	}
	return "identity_not_filtered"
}

// reason says why UPDATE and DELETE of a table fail.
func (b broken) reason() string {
	what := "its UPDATE and DELETE fail"
	if b.isPart {
		what = fmt.Sprintf("UPDATE and DELETE of its partition %s fail", b.name)
	}
	switch b.code() {
	case "identity_missing":
		why := map[string]string{"n": "REPLICA IDENTITY NOTHING", "i": "an index as replica identity that is gone"}
		return fmt.Sprintf("%s, as it is published and has %s", what, cmp.Or(why[b.identity], "no primary key that can be its replica identity"))
	case "identity_generated":
		return fmt.Sprintf("%s, as its replica identity has the generated columns %s, which are not published", what, strings.Join(b.unlisted, ", "))
	case "identity_not_listed":
		return fmt.Sprintf("%s, as publication %s leaves out %s of its replica identity", what, quote(b.publication), strings.Join(b.unlisted, ", "))
	}
	return fmt.Sprintf("%s, as the row filter of publication %s reads %s, which the replica identity has not", what, quote(b.publication), strings.Join(b.filtered, ", "))
}

// mended gives a finding about a broken table what mends it.
func (t table) mended(f Finding) Finding {
	b := t.broken
	switch f.Code {
	case "identity_missing":
		if b.hasKey && !b.keyTooShort && !b.isPart {
			return t.identified(f, b.part)
		}
		f.Advice = "a primary key is better, and takes less WAL"
		return f.cured(b.full, b.fullCost, quote(t.owner))
	case "identity_not_listed":
		return f.cured(b.again, "clients then get these columns too, where their role may read them", "the owner of the publication and the table")
	case "identity_generated":
		if b.identity == "f" && t.generated.onlyStored {
			return f.cured(fmt.Sprintf("ALTER PUBLICATION %s SET (publish_generated_columns = stored);", quote(b.publication)),
				"it concerns all tables of the publication: their changes have the generated columns too", "the owner of the publication")
		}
		return t.identified(f, b.part)
	}
	return f.cured(b.full, b.fullCost, quote(t.owner))
}

// identified gives a finding the SQL that has the primary key of a part be its replica
// identity.
func (t table) identified(f Finding, p part) Finding {
	switch {
	case !p.hasKey:
		return f.advised("give it a primary key without generated columns, and REPLICA IDENTITY DEFAULT")
	case p.keyTooShort:
		return f.advised("make the row filters of publications read the primary key alone, and then ALTER TABLE … REPLICA IDENTITY DEFAULT: its UPDATE fails with others")
	}
	cost := ""
	if f.Code != "identity_missing" {
		cost = "old rows then have the key alone"
	}
	return f.cured(fmt.Sprintf("ALTER TABLE %s REPLICA IDENTITY DEFAULT;", p.quoted), cost, quote(t.owner))
}
