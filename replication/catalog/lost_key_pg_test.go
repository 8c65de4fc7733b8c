package catalog

import (
	"testing"

	"walcast/internal/devdb"
)

func TestAKeyIsLostWhereOldRowsOfAPartitionLackIt(t *testing.T) {
	t.Parallel()
	const root = `create table t (id int not null, code int not null) partition by range (id); create unique index by_id on t (id); alter table t replica identity using index by_id; `
	for _, c := range []struct {
		name, sql string
		want      LostKey
	}{
		{"a key", `create table t (id int primary key)`, LostKey{}},
		{"FULL", `create table t (id int primary key); alter table t replica identity full`, LostKey{}},
		{"another index", `create table t (id int primary key, code int not null unique); alter table t replica identity using index t_code_key`, LostKey{Other: true}},
		{"no identity", `create table t (id int primary key); alter table t replica identity nothing`, LostKey{}},
		{"a deferrable key", `create table t (id int primary key deferrable); alter table t replica identity full`, LostKey{Deferrable: true}},
		{"no key", `create table t (id int); alter table t replica identity full`, LostKey{}},
		{"partitions by the key", `create table t (id int primary key) partition by range (id); create table p partition of t for values from (0) to (10)`, LostKey{}},
		{
			"a partition by another index", `create table t (id int primary key, code int not null) partition by range (id); create table p partition of t for values from (0) to (10);
			create unique index by_code on p (code); alter table p replica identity using index by_code`, LostKey{Other: true},
		},
		{"partitions by the root's index", root + `create table p partition of t for values from (0) to (10); alter table p replica identity using index p_id_idx`, LostKey{}},
		{"a partition by a key of its own", root + `create table p (id int not null, code int primary key); alter table t attach partition p for values from (0) to (10)`, LostKey{Other: true}},
		{"a partition without an identity", root + `create table p partition of t for values from (0) to (10)`, LostKey{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			db := devdb.Open(t)
			db.Exec(c.sql)
			got, err := New(db.Pool, nil).LostKey(t.Context(), relationOID(t, db, "t"))
			if err != nil || got != c.want {
				t.Errorf("LostKey = %+v, %v; want %+v", got, err, c.want)
			}
		})
	}
}
