package diagnose

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"walcast/filters"
	"walcast/policy"
	"walcast/protocol"
	"walcast/replication/catalog"
)

func TestAPolicyOrFilterThatRaisesForARowIsTold(t *testing.T) {
	spec := &protocol.Binding{Schema: "public", Table: "a", Filter: "id=eq.1"}
	filter, err := filters.Parse(spec.Filter)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		err  error
		want protocol.Problem
	}{
		{
			"a policy", fmt.Errorf("ask: %w", &policy.AskError{Table: "public.a", SQLState: "22012", Message: "division by zero"}),
			protocol.Problem{
				Message: "Changes of public.a are not delivered: its row-level security raised ERROR 22012 division by zero", Code: "policy_raised",
			},
		},
		{
			"a filter", fmt.Errorf("match: %w", filters.NewBindError("22P02", `invalid input syntax for type integer: "x"`)),
			protocol.Problem{
				Message: exception + `[event: *, schema: public, table: a, filters: [{"id", "eq", "1", false}], select: nil]. ` +
					`Exception: ERROR 22P02 (invalid_text_representation) invalid input syntax for type integer: "x"`,
				Code: "invalid_value",
			},
		},
		{"anything else", errors.New("timeout"), protocol.Problem{Message: "timeout", Code: "policy_raised"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, Raised(&Binding{Spec: spec, Filter: filter}, nil, c.err)); diff != "" {
				t.Errorf("Raised (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAClientIsToldEachWarningOnceAndNotTooMany(t *testing.T) {
	var f Finding
	for i := range 15 {
		w := warning("not_granted", "", fmt.Sprint(i))
		f.Warnings = append(f.Warnings, w, w)
	}
	told := f.Told()
	if len(told) != warningsTold || told[0].Message != "warning: 0" || told[9].Message != "warning: 9" {
		t.Errorf("told %v; want the first %d, each once", told, warningsTold)
	}
}

func TestNamesThatClientsChooseAreBounded(t *testing.T) {
	cache := newTableCache(catalog.Catalog{})
	for i := range 3 * tablesKept {
		cache.entry(catalog.TableName{Schema: "public", Table: fmt.Sprint(i)})
		if n := len(cache.entries); n > tablesKept {
			t.Fatalf("%d names are kept; want %d at most", n, tablesKept)
		}
	}
	last := catalog.TableName{Schema: "public", Table: fmt.Sprint(3*tablesKept - 1)}
	if first, second := cache.entry(last), cache.entry(last); first != second {
		t.Error("a name has another entry each time")
	}
}
