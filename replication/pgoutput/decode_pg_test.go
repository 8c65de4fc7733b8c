package pgoutput

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"walcast/internal/devdb"
	"walcast/internal/golden"
	"walcast/replication/catalog"
	"walcast/replication/wal"
)

// outputSettings is what the text of values depends on.
const outputSettings = `
	set datestyle = 'ISO, YMD'; set intervalstyle = 'postgres'; set timezone = 'UTC'; set extra_float_digits = 3;
	set bytea_output = 'hex'; set client_encoding = 'UTF8'; set lc_monetary = 'C'`

// TestServerSendsWhatWasRecorded runs the cases' SQL on a real server. With
// -update it records them.
func TestServerSendsWhatWasRecorded(t *testing.T) {
	major := devdb.Open(t).Server.Major
	for _, c := range golden.Cases(t, captures+"*.sql") {
		if since(t, c) > major {
			continue // its statements are newer than the server
		}
		t.Run(c.Name, func(t *testing.T) {
			messages, tables := record(t, c)
			answers := make(map[uint32]wal.Description)
			got := transcript(t, messages, func(relation uint32, types []uint32) (wal.Description, error) {
				d, err := tables.Describe(context.Background(), relation, types)
				answers[relation] = d
				return d, err
			})
			golden.Compare(t, c.With(".jsonl"), got)
			if flag.Lookup("update").Value.String() == "true" {
				writeCapture(t, c, messages, answers)
			}
		})
	}
}

// since is the oldest version whose server knows the case's statements, by the
// comment that it begins with: "-- since 15".
func since(t *testing.T, c golden.Case) (major int) {
	t.Helper()
	comment, _, _ := strings.Cut(string(c.Read(t)), "\n")
	digits, ok := strings.CutPrefix(comment, "-- since ")
	if !ok {
		return 0
	}
	major, err := strconv.Atoi(digits)
	if err != nil {
		t.Fatalf("%s begins with %q: %v", c.Path, comment, err)
	}
	return major
}

// TestRecordBenchmark does nothing but record, with -update.
func TestRecordBenchmark(t *testing.T) {
	if flag.Lookup("update").Value.String() != "true" {
		return
	}
	for _, c := range golden.Cases(t, captures+"bench/*.sql") {
		messages, _ := record(t, c)
		writeCapture(t, c, messages, map[uint32]wal.Description{})
	}
}

// record runs the paragraphs of a case, each as statements of their own, and
// returns what the server sends of it.
func record(t *testing.T, c golden.Case) ([][]byte, catalog.Catalog) {
	t.Helper()
	db, ctx := devdb.Open(t), context.Background()
	conn, err := pgx.Connect(ctx, db.DSN)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	defer conn.Close(ctx)
	script := string(c.Read(t))
	exec := func(sql string, args ...any) {
		if _, err := conn.Exec(ctx, sql, args...); err != nil {
			t.Fatalf("Exec(%s): %v", sql, err)
		}
	}
	exec(outputSettings)
	if !strings.Contains(script, "create publication") {
		exec("create publication recorded for all tables")
	}
	exec("select pg_create_logical_replication_slot($1, 'pgoutput')", db.Name)
	for paragraph := range strings.SplitSeq(script, "\n\n") {
		exec(paragraph)
	}
	rows, err := conn.Query(ctx, `select data from pg_logical_slot_get_binary_changes($1, null, null,
		'proto_version', '1', 'publication_names', 'recorded', 'messages', 'true')`, db.Name)
	if err != nil {
		t.Fatalf("read slot: %v", err)
	}
	messages, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	if err != nil {
		t.Fatalf("read slot: %v", err)
	}
	return messages, catalog.New(db.Pool, []string{"recorded"})
}

// What snapshots list as under way are top-level transactions.
func TestAChangeHasTheXIDOfItsTopLevelTransaction(t *testing.T) {
	c := golden.Case{Path: filepath.Join(t.TempDir(), "xid.sql")}
	const script = `create table xids (of xid8)

begin; insert into xids values (pg_current_xact_id()); savepoint s; insert into xids values (pg_current_xact_id()); commit

insert into xids values (pg_current_xact_id())`
	if err := os.WriteFile(c.Path, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	messages, tables := record(t, c)
	d := NewDecoder(func(relation uint32, types []uint32) (wal.Description, error) {
		return tables.Describe(t.Context(), relation, types)
	})
	var xids []uint32
	for _, m := range messages {
		got, err := d.Decode(m)
		if err != nil {
			t.Fatalf("Decode(%x): %v", m, err)
		}
		for _, change := range got.Changes {
			if change.Operation == wal.Commit {
				if last := xids[len(xids)-1]; change.XID != last {
					t.Errorf("the Commit has XID %d; want that of its rows, %d", change.XID, last)
				}
				continue
			}
			want, err := strconv.ParseUint(change.New[0].Text, 10, 64)
			if err != nil || change.XID != uint32(want) {
				t.Errorf("a row of transaction %s has XID %d, %v", change.New[0].Text, change.XID, err)
			}
			xids = append(xids, change.XID)
		}
	}
	if len(xids) != 3 || xids[0] != xids[1] || xids[1] == xids[2] {
		t.Errorf("XIDs %v; want two of one transaction and one of another", xids)
	}
}

func writeCapture(t *testing.T, c golden.Case, messages [][]byte, answers map[uint32]wal.Description) {
	t.Helper()
	var lines bytes.Buffer
	for _, m := range messages {
		lines.WriteString(hex.EncodeToString(m) + "\n")
	}
	described, err := json.MarshalIndent(answers, "", " ")
	if err != nil {
		t.Fatalf("write catalog: %v", err)
	}
	if err := os.WriteFile(c.With(".hex"), lines.Bytes(), 0o644); err != nil {
		t.Fatalf("write messages: %v", err)
	}
	if err := os.WriteFile(c.With(".catalog.json"), append(described, '\n'), 0o644); err != nil {
		t.Fatalf("write catalog: %v", err)
	}
}
