package policy

import "testing"

// Functions of Postgres read the catalog as it is, and not as the snapshot has it.
func TestWhatChangesWhileTheCatalogIsReadIsNoticed(t *testing.T) {
	l := newLab(t, agesSQL)
	reader := l.role("reader", "nologin")
	f, err := l.policy.tables.readFacts(t.Context(), l.relation("docs"), "anon")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := l.Pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	for _, change := range []string{
		"revoke select on docs from anon",
		"grant select (id) on docs to anon",
		"revoke select (id) on docs from anon",
		"alter policy narrow on docs using (true)",
		"drop policy narrow on docs",
		"revoke execute on function app.level() from public",
		"grant usage on schema public to anon",
		"grant anon to " + reader,
		"revoke anon from " + reader,
		"alter role " + reader + " bypassrls",
	} {
		var before, inside, after string
		meanwhile := func() []step {
			l.Exec(change)
			return []step{f.depends.privileges(&inside)}
		}
		if err := transactPinned(t.Context(), conn, []step{f.depends.privileges(&before)}, meanwhile); err != nil {
			t.Fatal(err)
		}
		if err := transactPinned(t.Context(), conn, []step{f.depends.privileges(&after)}, func() []step { return nil }); err != nil {
			t.Fatal(err)
		}
		if before != inside || after == inside {
			t.Errorf("%s: %q in the snapshot, %q at its end, %q afterwards", change, before, inside, after)
		}
	}
}
