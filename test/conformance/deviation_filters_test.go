package conformance

import "fmt"

var filterOmissions = []omission{
	{"which rows pass which filter", "a table, not a conversation: see outcome_pg_test.go"},
}

var filterDeviations = concat([]deviation{
	warned("filter on an unchanged TOAST column; replica identity default", "a", "t", "1", "tr_toastf", "big"),
	warned("UPDATE that enters…replica identity default", "a", "u", "1", "tr_upd", "i"),
	warned("a filter that the server accepts but cannot evaluate: arr…", "bad", "bad", "1", "tr_bad", "arr"),
}, deleteDeviations(), brokenPolls())

func deleteDeviations() (all []deviation) {
	for i, column := range []string{2: "i", 3: "i", 4: "t", 5: "i", 6: "i", 7: "i", 8: "i", 9: "i", 11: "i"} {
		if column != "" {
			all = append(all, warned("DELETE with filters; replica identity default", "a", fmt.Sprint("d", i), fmt.Sprint(i+1), "tr_fd", column))
		}
	}
	return all
}

// filterOutcomes are filters of the recorded table whose outcome is meant to be
// another here.
var filterOutcomes = map[string]struct{ why, outcome string }{
	"ch=eq.a":                   {"2", "[5]"},
	"ch=eq.ab":                  {"2", "[1]"},
	"ch=eq.ab  ":                {"2", "[1]"},
	"ch=gt.a":                   {"2", "[1]"},
	"ch=in.(ab,AB)":             {"2", "[1 2]"},
	`bt=eq.\x00ff`:              {"3", "[1]"},
	"f=eq.NaN":                  {"4", "[4]"},
	"f=gt.1e299":                {"4", "[4 8]"},
	"n=eq.NaN":                  {"4", "[4]"},
	"n=gt.1.5":                  {"4", "[4 5 6 8]"},
	"n=gt.99999999999999999999": {"4", "[4 8]"},
	"t=isdistinct.null":         {"48", "[1 2 4 5 6 7 8 9 10 11 12 13 14]"},
	"j=eq.null":                 {"a JSON null is not NULL", "[4]"},
	"t=ilike.ÄPFEL":             {"the collation is C here, C.UTF-8 there", "[]"},
}
