package policy

import (
	"fmt"
	"slices"
	"testing"

	"walcast/filters"
	"walcast/replication/wal"
)

// Ten thousand users who each see their own rows cost one look-up for a change
// and no statement.
func TestAnIndexFindsWhoseRowItIs(t *testing.T) {
	l := newLab(t, ownSQL)
	rel := l.relation("docs")
	index := filters.NewIndex[int](filters.Locale{})
	const users = 10_000
	for i := range users {
		s := l.subject("authenticated", user(i))
		if i == 0 {
			l.view(rel, s)
		}
		index.Add(filters.Selector{
			Events: filters.Events(wal.Insert, wal.Update, wal.Delete),
			Schema: "public", Table: "docs", Guard: l.policy.Guard(s),
		}, i)
	}
	match := func(c *wal.Change) (found []int) {
		index.Match(c, func(i int, _ filters.Truth) { found = append(found, i) })
		return found
	}
	for _, i := range []int{0, 1, 4711, users - 1} {
		row := text("1", fmt.Sprintf("00000000-0000-4000-8000-%012d", i), "7", "x", "1")
		for _, op := range []wal.Operation{wal.Insert, wal.Update} {
			if found := match(&wal.Change{Operation: op, Relation: rel, New: row}); !slices.Equal(found, []int{i}) {
				t.Errorf("%s of user %d's row reaches %d users", op, i, len(found))
			}
		}
	}
	for name, owner := range map[string]string{"a stranger's": "00000000-0000-4000-9000-000000000001", "nobody's": ""} {
		if found := match(&wal.Change{Operation: wal.Insert, Relation: rel, New: text("1", owner, "7", "x", "1")}); len(found) > 0 {
			t.Errorf("%s row reaches %d users", name, len(found))
		}
	}
	deleted := &wal.Change{Operation: wal.Delete, Relation: rel, Old: append(text("1"), make(wal.Row, 4)...)}
	if found := match(deleted); len(found) != users {
		t.Errorf("DELETE with the key only reaches %d users; want all, as nobody can tell whose it was", len(found))
	}
	if n := measured(t, l.metrics, "walcast_policy_loads_total") + measured(t, l.metrics, "walcast_policy_asks_total"); n != 1 {
		t.Errorf("%v statements; want 1", n)
	}
}
