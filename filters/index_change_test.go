package filters

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"walcast/replication/wal"
)

// matches are the values that a change matches, sorted.
func matches[T ~string](ix *Index[T], c *wal.Change) []T {
	var found []T
	ix.Match(c, func(v T, t Truth) {
		if t == True {
			found = append(found, v)
		}
	})
	slices.Sort(found)
	return found
}

// pairs is the table of the recorded deletes.
func pairs() *wal.Relation {
	return wal.NewRelation(wal.Relation{OID: 7, Schema: "public", Table: "tr_fd", Columns: []wal.Column{
		{Name: "id", Type: builtin(23, "int4"), Key: true}, {Name: "i", Type: builtin(23, "int4")}, {Name: "t", Type: builtin(25, "text")},
	}})
}

// TestDeletesMatchTheOldRow is what upstream was recorded to do.
func TestDeletesMatchTheOldRow(t *testing.T) {
	rel, ix := pairs(), NewIndex[string](utc())
	for name, text := range map[string]string{
		"d0": "id=eq.1", "d1": "id=gt.1", "d2": "i=eq.1", "d3": "i=neq.1", "d4": "t=eq.x", "d5": "i=is.null", "d6": "i=not.is.null", "d7": "i=not.eq.5", "d8": "id=eq.1,i=eq.1", "d9": "i=isdistinct.5",
	} {
		ix.Add(Selector{Events: rowEvents, Schema: "public", Table: "tr_fd", Filter: mustParse(t, text)}, name)
	}
	ix.Add(Selector{Events: Events(wal.Delete), Schema: "public", Table: "tr_fd"}, "d10")
	ix.Add(Selector{Events: Events(wal.Delete), Schema: "public", Table: "tr_fd", Filter: mustParse(t, "i=eq.1")}, "d11")
	for _, c := range []struct {
		identity string
		old      wal.Row
		want     string
	}{
		{"default", rowOf("1", "?", "?"), "d0 d10"},
		{"default", rowOf("3", "?", "?"), "d1 d10"},
		{"full", rowOf("1", "1", "x"), "d0 d10 d11 d2 d4 d6 d7 d8 d9"},
		{"full", rowOf("3", "-", "-"), "d1 d10 d5 d9"},
		{"nothing", nil, "d10"},
	} {
		got := matches(ix, &wal.Change{Operation: wal.Delete, Relation: rel, Old: c.old, New: rowOf("1", "1", "x")})
		if diff := cmp.Diff(strings.Fields(c.want), got); diff != "" {
			t.Errorf("identity %s, old row %v: matches differ (-want +got):\n%s", c.identity, c.old, diff)
		}
	}
}

func TestTruncateConcernsEveryFilter(t *testing.T) {
	rel, ix := pairs(), NewIndex[string](utc())
	all := rowEvents | Events(wal.Truncate)
	ix.Add(Selector{Events: all, Schema: "public", Table: "tr_fd", Filter: mustParse(t, "id=eq.1")}, "filtered")
	ix.Add(Selector{Events: rowEvents, Schema: "public", Table: "tr_fd"}, "rows only")
	ix.Add(Selector{Events: all, Schema: "*", Table: "*", Filter: mustParse(t, "nocolumn=eq.1")}, "does not compile")
	ix.Add(Selector{Events: all, Schema: "public", Table: "tr_fd", Guard: &guardOf{"id=eq.1", all, ""}}, "guarded")
	got := matches(ix, &wal.Change{Operation: wal.Truncate, Relation: rel})
	if diff := cmp.Diff([]string{"does not compile", "filtered"}, got); diff != "" {
		t.Errorf("matches differ (-want +got):\n%s", diff)
	}
}

func TestNamesAreLiteral(t *testing.T) {
	ix := NewIndex[string](utc())
	for _, name := range []string{"tr_fd", "tr%fd", "tr.fd", "TR_FD", "tr_f_", "*"} {
		ix.Add(Selector{Events: rowEvents, Schema: "public", Table: name}, name)
	}
	ix.Add(Selector{Events: rowEvents, Schema: "*", Table: "tr_fd"}, "any schema")
	ix.Add(Selector{Events: rowEvents, Schema: "other", Table: "*"}, "other schema")
	c := &wal.Change{Operation: wal.Insert, Relation: pairs(), New: rowOf("1", "1", "x")}
	if diff := cmp.Diff([]string{"*", "any schema", "tr_fd"}, matches(ix, c)); diff != "" {
		t.Errorf("matches differ (-want +got):\n%s", diff)
	}
}

// TestTablesThatSwapNames: a change is of the name that its relation had then.
func TestTablesThatSwapNames(t *testing.T) {
	ix := NewIndex[string](utc())
	for _, name := range []string{"a", "b"} {
		ix.Add(Selector{Events: rowEvents, Schema: "public", Table: name}, name)
	}
	change := func(oid uint32, name string) *wal.Change {
		rel := wal.NewRelation(wal.Relation{OID: oid, Schema: "public", Table: name, Columns: pairs().Columns})
		return &wal.Change{Operation: wal.Insert, Relation: rel, New: rowOf("1", "1", "x")}
	}
	for _, c := range []*wal.Change{change(1, "a"), change(2, "b"), change(1, "b"), change(2, "a"), change(1, "b"), change(3, "a")} {
		if diff := cmp.Diff([]string{c.Relation.Table}, matches(ix, c)); diff != "" {
			t.Errorf("table %d, %s: matches differ (-want +got):\n%s", c.Relation.OID, c.Relation.Table, diff)
		}
		ix.Add(Selector{Events: rowEvents, Schema: "public", Table: "later"}, "later")
		ix.Remove(Selector{Events: rowEvents, Schema: "public", Table: "later"}, "later")
	}
}

// TestEqualValuesAreYieldedOnce, but stay until they are removed as often as
// they were added.
func TestEqualValuesAreYieldedOnce(t *testing.T) {
	ix, c := NewIndex[string](utc()), &wal.Change{Operation: wal.Insert, Relation: pairs(), New: rowOf("1", "1", "x")}
	s := Selector{Events: rowEvents, Schema: "public", Table: "tr_fd", Filter: mustParse(t, "id=eq.1")}
	same := s
	same.Filter = mustParse(t, `id=eq."1"`)
	ix.Add(s, "x")
	ix.Add(same, "x")
	ix.Add(s, "y")
	for _, want := range [][]string{{"x", "y"}, {"x", "y"}, {"y"}, {"y"}} {
		if diff := cmp.Diff(want, matches(ix, c)); diff != "" {
			t.Errorf("matches differ (-want +got):\n%s", diff)
		}
		ix.Remove(same, "x")
		if want[0] == "x" && len(matches(ix, c)) == 2 {
			continue
		}
	}
	if ix.Len() != 1 {
		t.Errorf("Len = %d; want 1", ix.Len())
	}
}

func TestWhatIsUndecidedIsLeftToPostgres(t *testing.T) {
	ix := NewIndex[string](utc())
	for _, text := range []string{"shape=eq.(1,2)", "id=eq.1", "id=eq.2,shape=eq.(1,2)", "or=(id.eq.1,shape.eq.(0,0))"} {
		ix.Add(Selector{Events: rowEvents, Schema: "public", Table: "rooms", Filter: mustParse(t, text)}, text)
	}
	c := &wal.Change{Operation: wal.Insert, Relation: rooms(), New: rowOf("1", "-", "-", "-", "-", "-", "-", "-", "-", "(1,2)")}
	// The first condition decides the third filter, the first part the fourth.
	want := map[string]Truth{"id=eq.1": True, "or=(id.eq.1,shape.eq.(0,0))": True, "shape=eq.(1,2)": Undecided}
	got := map[string]Truth{}
	ix.Match(c, func(v string, truth Truth) { got[v] = truth })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("matches differ (-want +got):\n%s", diff)
	}
}

// TestLogicalMessagesMatchNothing: they are of no table.
func TestLogicalMessagesMatchNothing(t *testing.T) {
	ix := NewIndex[string](utc())
	ix.Add(Selector{Events: rowEvents, Schema: "*", Table: "*"}, "all")
	c := &wal.Change{Operation: wal.Message, Prefix: "x"}
	if got := matches(ix, c); len(got) > 0 {
		t.Errorf("a message matches %v", got)
	}
}
