package explain

import (
	"slices"

	"walcast/filters"
	"walcast/replication/wal"
)

// rowOperations are those on single rows.
var rowOperations = []wal.Operation{wal.Insert, wal.Update, wal.Delete}

// matches says how changes find a selector.
func matches(s filters.Selector, rel *wal.Relation, l filters.Locale) (all []Match) {
	for _, f := range s.Filings(rel, l) {
		m := Match{Events: eventNames(f.Events), By: "each", Lookups: lookups(f.Lookups), Then: f.Rest}
		for _, other := range f.Others {
			m.Others = append(m.Others, lookups(other))
		}
		for _, a := range f.Asked {
			m.Asked = append(m.Asked, Asked{Name: a.Condition, Why: doubts[a.Why]})
		}
		switch {
		case f.Never:
			m.By = "never"
		case len(m.Lookups) > 0:
			m.By = m.Lookups[0].By
			if slices.ContainsFunc(m.Lookups, func(l Lookup) bool { return l.By != m.By }) {
				m.By = "several"
			}
		}
		all = append(all, m)
	}
	return all
}

func lookups(of []filters.Lookup) (all []Lookup) {
	for _, l := range of {
		all = append(all, Lookup{By: string(l.Kind), Column: l.Column, Condition: l.Of})
	}
	return all
}

func eventNames(s filters.EventSet) (names []string) {
	for _, op := range rowOperations {
		if s.Has(op) {
			names = append(names, op.String())
		}
	}
	return names
}

// doubts are the words for why Postgres is asked to compare.
var doubts = map[filters.Doubt]string{
	filters.DoubtType:      "how the type compares is known to Postgres alone",
	filters.DoubtCollation: "the collation has an order of its own",
	filters.DoubtCase:      "which letters differ only in case depends on the locale",
	filters.DoubtRegexp:    "Postgres may read the regular expression differently",
	filters.DoubtLiteral:   "the value is unusual, or depends on when it is read",
	filters.DoubtValue:     "the row's value is unusual",
	filters.DoubtSize:      "it takes long",
}
