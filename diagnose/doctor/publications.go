package doctor

import (
	"slices"
	"strings"

	"walcast/protocol"
)

// publications looks at those that walcast is to read. What they leave out of changes is
// said by joins.
func publications(f *facts) (findings []Finding) {
	for _, name := range f.config.Publications {
		i := slices.IndexFunc(f.publications, func(p publication) bool { return p.name == name })
		if i < 0 {
			findings = append(findings, problem(protocol.CodePublicationMissing, Publication, name, "there is no such publication, so that no changes come").
				cured("CREATE PUBLICATION "+quote(name)+";", "it has no tables yet: add those that are to have changes", "a role with CREATE on the database").
				advised("or set create-publication, and walcast makes it"))
			continue
		}
		findings = append(findings, f.publications[i].examined()...)
	}
	return findings
}

// examined are the findings about a publication that is there.
func (p publication) examined() (findings []Finding) {
	switch {
	case p.tables == 0 && p.allTables:
		findings = append(findings, warning("publication_empty", Publication, p.name, "it is for all tables, and there are none").advised("make tables"))
	case p.tables == 0:
		findings = append(findings, warning("publication_empty", Publication, p.name, "it has no tables, so that no changes come").
			advised("as %s, or as the tables' owner: ALTER PUBLICATION %s ADD TABLE …;", quote(p.owner), quote(p.name)))
	default:
		findings = append(findings, fine("publication", Publication, p.name, "it has %d tables", p.tables))
	}
	if len(p.missing) > 0 {
		findings = append(findings, warning(protocol.CodeEventNotPublished, Publication, p.name, "it does not publish %s, so that none comes of its tables, and bindings with view are refused", strings.Join(p.missing, ", ")).
			cured(p.all, p.allCost, quote(p.owner)))
	}
	if p.allTables {
		findings = append(findings, fine("publication_all_tables", Publication, p.name, "it is for all tables: UPDATE and DELETE will fail on every table that is made without a primary key"))
	}
	if p.viaRoot {
		findings = append(findings, fine("publication_root", Publication, p.name, "partitioned tables have their changes under their own name, and TRUNCATE of a single partition is not told"))
	}
	return findings
}
