package conformance

import "fmt"

var filterOmissions = []omission{
	{"which rows pass which filter", "a table, not a conversation: see filters_pg_test.go"},
}

var filterDeviations = concat([]deviation{
	warned("filter on an unchanged TOAST column; replica identity default", "a", "t", "1", "tr_toastf", "big"),
	warned("UPDATE that enters…replica identity default", "a", "u", "1", "tr_upd", "i"),
	warned("a filter that the server accepts but cannot evaluate: arr…", "bad", "bad", "1", "tr_bad", "arr"),
	warned("a filter that the server accepts but cannot evaluate: js…", "bad", "bad", "1", "tr_bad", "js"),
	warned("a filter that the server accepts but cannot evaluate: pt…", "bad", "bad", "1", "tr_bad", "pt"),
	warned("a filter that the server accepts but cannot evaluate: x=…", "bad", "bad", "1", "tr_bad", "x"),
}, deleteDeviations(), brokenPolls())

func deleteDeviations() (all []deviation) {
	for i, column := range []string{2: "i", 3: "i", 4: "t", 5: "i", 6: "i", 7: "i", 8: "i", 9: "i", 11: "i"} {
		if column != "" {
			all = append(all, warned("DELETE with filters; replica identity default", "a", fmt.Sprint("d", i), fmt.Sprint(i+1), "tr_fd", column))
		}
	}
	return all
}
