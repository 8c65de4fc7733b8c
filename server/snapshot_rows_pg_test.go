package server

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// everyType is a table with a column of each kind of type, with values whose text depends
// on the settings of a session.
const everyType = `
	create extension if not exists hstore; create extension if not exists citext;
	create type mood as enum ('sad', 'it''s "ok"'); create domain posint as int check (value > 0);
	create type pair as (a int, "b ""c""" text, at timestamptz);
	create table kinds (id int8 primary key, i2 int2, n numeric(20, 5), nan numeric, f4 float4, f8 float8, b bool, t text, v varchar(9), c char(5), nm name, u uuid, raw bytea,
		j json, jb jsonb, d date, tm time, tz timetz, ts timestamp, tstz timestamptz, iv interval, m mood, p posint, pr pair, ints int[], texts text[], tss timestamptz[], moods mood[],
		r tstzrange, mr int4multirange, net inet, mac macaddr, money money, h hstore, ci citext, bits varbit, rc regclass, pt point, x xml, big text, nothing text);
	insert into kinds values (9007199254740993, -7, 1.50000, 'NaN', 1.1, 0.1, true, e'a"\\\n\u20ac', 'v', 'c', 'nm', '00000000-0000-4000-8000-000000000001', '\x00ff',
		'{"a": 1,  "b":[1.0]}', '{"a": 1.50}', '2024-02-03', '04:05:06.7', '04:05:06+02', '2024-02-03 04:05:06.789', '2024-07-03 04:05:06.789+00', '1 year 2 mons 3 days 04:05:06', 'it''s "ok"', 3,
		row(1, 'x,"y', '2024-07-03 04:05:06+00'), '{1,null,3}', '{"a,b",null,"NULL"}', '{"2024-07-03 04:05:06+00"}', '{sad}', '[2024-07-03 00:00:00+00,2024-07-04 00:00:00+00)', '{[1,3),[5,7)}',
		'10.0.0.0/8', '08:00:2b:01:02:03', 12.34, 'a=>1,b=>NULL', 'CiText', '0101', 'kinds', '(1,2)', '<a>x</a>', repeat('x', 3000), null),
		(2, null, null, '-Infinity', 'Infinity', '-0', null, '', null, null, null, null, '\x', 'null', 'null', 'infinity', null, null, '0044-03-15 00:00:00 BC', '-infinity', '-1 day', null, null, null, '{}', '{}', '{}', null,
		'empty', '{}', null, null, -5, '', null, '', null, null, null, null, null);
	grant select on kinds to anon; grant usage on schema public to anon;
	alter publication supabase_realtime add table kinds`

// data is the data object of the next row change, as it came, without what only changes
// have. It is empty at the end of a snapshot.
func (c *client) data() (record, rest string, isSnapshot bool) {
	c.t.Helper()
	var p struct {
		Code string
		Data map[string]json.RawMessage
	}
	for p.Data == nil {
		if err := json.Unmarshal(c.next("postgres_changes", "system").Payload, &p); err != nil {
			c.t.Fatal(err)
		}
		if p.Code == "snapshot_end" {
			return "", "", false
		}
	}
	isSnapshot = p.Data["snapshot"] != nil
	for _, name := range []string{"lsn", "seq", "xid", "snapshot", "commit_timestamp"} {
		delete(p.Data, name)
	}
	record = string(p.Data["record"])
	all, err := json.Marshal(p.Data)
	if err != nil {
		c.t.Fatal(err)
	}
	return record, string(all), isSnapshot
}

// A row of a snapshot is what the INSERT of the row was, byte for byte, whatever the
// database's settings are.
func TestARowOfASnapshotIsAsItsChangeWas(t *testing.T) {
	bindings := map[string]string{
		"all columns": "", "int8 as text": `,"int8":"string"`, "some columns": `,"select":["t","big","tstz"]`,
		"by a time": `,"filter":"tstz=eq.2024-07-03 04:05:06.789+00"`, "by a time of the database's zone": `,"filter":"tstz=gt.2024-07-02 23:00:00"`, "by a date": `,"filter":"d=eq.2024-02-03"`,
	}
	for name, settings := range map[string]map[string]string{
		"ordinary":  nil,
		"elsewhere": {"timezone": "America/St_Johns", "datestyle": "SQL, DMY", "intervalstyle": "sql_standard", "extra_float_digits": "0", "bytea_output": "escape"},
	} {
		t.Run(name, func(t *testing.T) {
			db := notesDatabase(t, settings)
			db.Exec(strings.Split(everyType, "insert into kinds")[0])
			db.Exec(`grant select on kinds to anon; alter publication supabase_realtime add table kinds`)
			config := configFor(db)
			config.Channels.MaxChangeBytes = 3500
			s := startServer(t, config)
			plain := map[string]*client{}
			for name, more := range bindings {
				plain[name] = s.dial(t, "2.0.0")
				plain[name].joinWith(room, `{"event":"INSERT","schema":"public","table":"kinds"`+more+`}`)
			}
			values := strings.Split(strings.Split(everyType, "insert into kinds")[1], "grant select")[0]
			db.Exec("begin; set local timezone = 'UTC'; set local datestyle = 'ISO, YMD'; insert into kinds" + strings.TrimRight(values, ";\n\t ") + "; commit")
			for name, more := range bindings {
				k := s.dial(t, "2.0.0")
				k.send("1", room, "phx_join", `{"config":{"postgres_changes":[`+firstRows("kinds", more)+`]}}`)
				rows := map[string]string{}
				for record, rest, isSnapshot := k.data(); record != ""; record, rest, isSnapshot = k.data() {
					if rows[record] = rest; !isSnapshot {
						t.Errorf("%s: the row %s is none of a snapshot", name, record)
					}
				}
				if len(rows) == 0 {
					t.Errorf("%s: the snapshot has no rows", name)
				}
				changes := map[string]string{}
				for range rows {
					record, rest, _ := plain[name].data()
					changes[record] = rest
				}
				if diff := cmp.Diff(changes, rows); diff != "" {
					t.Errorf("%s: rows of the snapshot differ from those of changes (-change +snapshot):\n%s", name, diff)
				}
			}
		})
	}
}
