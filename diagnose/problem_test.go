package diagnose

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

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
			"a filter", fmt.Errorf("match: %w", &FilterError{"public.a", filters.NewBindError("42P01", `relation "payroll_secret" does not exist`)}),
			protocol.Problem{
				Message: "Changes of public.a are not delivered: the filter raised ERROR 42P01 (the server's log has its text)", Code: "filter_raised",
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
		w := warning("not_granted", cure{}, fmt.Sprint(i))
		f.warn([]protocol.Problem{w, w})
	}
	told := f.Warnings
	if len(told) != warningsTold || told[0].Message != "warning: 0" || told[9].Message != "warning: 9" {
		t.Errorf("told %v; want the first %d, each once", told, warningsTold)
	}
}

func TestNamesThatClientsChooseAreBoundedInBytes(t *testing.T) {
	cache := newTableCache(catalog.Catalog{})
	long := strings.Repeat("x", 10_000)
	var last catalog.TableName
	for i := range 3 * tablesBytes / len(long) {
		last = catalog.TableName{Schema: "public", Table: fmt.Sprint(long, i)}
		cache.entry(last)
		if n := cache.names.size(); n > tablesBytes {
			t.Fatalf("%d bytes are kept; want %d at most", n, tablesBytes)
		}
	}
	if first, second := cache.entry(last), cache.entry(last); first != second {
		t.Error("a name has another entry each time")
	}
	cache.names.expire(time.Now().Add(2 * tablesAge))
	if n := cache.names.size(); n != 0 {
		t.Errorf("%d bytes are kept that nobody has used for long; want none", n)
	}
}

func TestBindingsThatNothingIsWrongWithAreBoundedInBytes(t *testing.T) {
	c := NewChecker(catalog.Catalog{}, nil, filters.Locale{}, nil)
	now, long := time.Now(), strings.Repeat("x", 10_000)
	s := &policy.Subject{Role: "anon", Claims: long}
	var last selection
	for i := range 3 * fineBytes / len(long) {
		last = selectionOf(s, &Binding{Spec: &protocol.Binding{Event: "*", Schema: "public", Table: "t", Filter: fmt.Sprint("a=eq.", i)}})
		c.fine(last, checked{at: now})
	}
	if n := c.Bytes(); n > fineBytes {
		t.Errorf("%d bytes are kept; want %d at most", n, fineBytes)
	}
	_, atOnce := c.isFine(last, now)
	if _, later := c.isFine(last, now.Add(Believed)); !atOnce || later {
		t.Error("what was found is not believed for its time")
	}
	c.Expire(now.Add(time.Hour))
	if n := c.Bytes(); n != 0 {
		t.Errorf("%d bytes are kept that nobody has used for long; want none", n)
	}
}
