package catalog

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"walcast/internal/devdb"
)

func TestPublicationsDifferInTheColumnsThatTheySend(t *testing.T) {
	t.Parallel()
	db := devdb.Open(t)
	if db.Server.Major < 15 {
		db.Exec(`create table t (id int primary key, n int); create publication a for table t; create publication b for table t`)
		if got, err := New(db.Pool, []string{"a", "b"}).Differing(t.Context()); err != nil || len(got) > 0 {
			t.Errorf("without lists of columns Differing = %v, %v; want none", got, err)
		}
		return
	}
	db.Exec(`
		create table same (id int primary key, n int, gone int, twice int generated always as (n * 2) stored); alter table same drop column gone;
		create table other (id int primary key, n int); create table once (id int primary key, n int);
		create publication a for table same, other, once (id);
		create publication b for table same (id, n), other (id);
		create publication theirs for table once`)
	got, err := New(db.Pool, []string{"a", "b"}).Differing(t.Context())
	if diff := cmp.Diff([]TableName{{"public", "other"}}, got); diff != "" || err != nil {
		t.Errorf("Differing: %v (-want +got):\n%s", err, diff)
	}
}
