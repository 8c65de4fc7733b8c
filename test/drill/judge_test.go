package drill

import (
	"strings"
	"testing"

	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// at is the n-th position of these tests; odd ones stand between changes.
func at(n int) wal.Position { return wal.Position{LSN: wal.LSN(n)} }

// committed are rows 1.10, 1.20 … 1.60 at positions 10, 20 … 60; 1.30 is of
// another shard.
func committed() (rows []written) {
	for n := 10; n <= 60; n += 10 {
		rows = append(rows, written{row: row{1, n}, Table: "open_rows", Shard: 1, At: at(n)})
	}
	rows[2].Shard = 2
	return rows
}

func join() entry { return entry{Kind: joined} }

// got is a row that comes with its position.
func got(n int) entry { return entry{Kind: seen, Row: row{1, n}, At: at(n)} }

// rowsOf are the rows of one join.
func rowsOf(numbers ...int) []entry {
	entries := []entry{join()}
	for _, n := range numbers {
		entries = append(entries, got(n))
	}
	return entries
}

func resyncs(code string, from, oldest, upto int) entry {
	return entry{Kind: resync, Time: 100, Resync: notice{Code: code, From: at(from), Oldest: at(oldest), Upto: at(upto)}}
}

func together(parts ...[]entry) (all []entry) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func TestJudge(t *testing.T) {
	const old, unknown = changelog.CodeTooOld, changelog.CodeUnknown
	for _, c := range []struct {
		name    string
		diary   []entry
		names   bool
		unclean int64
		want    string // part of the only fault; "" is none
	}{
		{name: "all in order", diary: rowsOf(10, 20, 40, 50, 60)},
		{name: "again from an earlier position after another join", diary: together(rowsOf(10, 20, 40), rowsOf(20, 40, 50, 60))},
		{name: "again to who named a position", diary: together(rowsOf(10, 20, 40), rowsOf(40, 50, 60)), names: true, want: "row 1.40 at 0/28:0 arrived again"},
		{name: "a dropped row", diary: rowsOf(10, 20, 50, 60), want: "1 rows are missing between 0/14:0 and 0/32:0: 1.40"},
		{name: "dropped at a reconnect", diary: together(rowsOf(10, 20), rowsOf(50, 60)), want: "1.40 at 0/28:0 to 1.40"},
		{name: "the first row dropped", diary: rowsOf(20, 40, 50, 60), want: "1.10"},
		{name: "a row doubled on one join", diary: rowsOf(10, 20, 20, 40, 50, 60), want: "row 1.20 at 0/14:0 arrived after 0/14:0 on the same join"},
		{name: "two rows swapped", diary: rowsOf(10, 40, 20, 50, 60), want: "1.20"},
		{name: "a row that the filter excludes", diary: rowsOf(10, 20, 30, 40, 50, 60), want: "row 1.30 at 0/1E:0 arrived and was not asked for"},
		{name: "a row that was rolled back", diary: rowsOf(10, 15, 20, 40, 50, 60), want: "row 1.15 arrived and was never committed"},
		{
			name:  "a row with the position of another",
			diary: together(rowsOf(10), []entry{{Kind: seen, Row: row{1, 20}, At: at(21)}}, rowsOf(20, 40, 50, 60)),
			want:  "row 1.20 arrived as 0/15:0; its position is 0/14:0",
		},
		{name: "a resync for what is missing", diary: together(rowsOf(10, 20), []entry{join(), resyncs(old, 20, 45, 50), got(60)}), names: true},
		{name: "a resync from null after a kill", diary: together(rowsOf(10, 20), []entry{join(), resyncs(unknown, 0, 0, 50), got(60)}), unclean: 50},
		{
			name: "a resync that ends too early", diary: together(rowsOf(10), []entry{join(), resyncs(old, 10, 25, 30), got(50), got(60)}), names: true,
			want: "1.40",
		},
		{
			name: "a resync that begins too late", diary: together(rowsOf(10), []entry{join(), resyncs(old, 25, 45, 50), got(60)}), names: true,
			want: "1 rows are missing between 0/A:0 and 0/32:0: 1.20",
		},
		{
			name: "a resync that covers what comes", diary: together(rowsOf(10), []entry{join(), resyncs(old, 10, 25, 50), got(40), got(50), got(60)}), names: true,
			want: "row 1.40 at 0/28:0 arrived after the resync that gave it up",
		},
		{
			name:  "a row again, after a resync that ends before it",
			diary: together(rowsOf(10, 20, 40), []entry{join(), resyncs(old, 10, 15, 20), got(40), got(50), got(60)}), names: true,
		},
		{
			name: "a row again, before where a resync ends", diary: together(rowsOf(10, 20, 40), []entry{join(), resyncs(old, 10, 25, 40), got(40), got(50), got(60)}), names: true,
			want: "arrived again",
		},
		{
			name:  "what was given up, on a later join",
			diary: together(rowsOf(10), []entry{join(), resyncs(old, 10, 25, 45), got(50)}, rowsOf(40, 50, 60)),
		},
		{
			name: "a resync though everything is there", diary: together(rowsOf(10), []entry{join(), resyncs(old, 10, 5, 50), got(60)}), names: true,
			want: "still has everything after",
		},
		{
			name: "a resync from null for who named a position", diary: together(rowsOf(10), []entry{join(), resyncs(old, 0, 25, 50), got(60)}), names: true,
			want: "does not say from where",
		},
		{
			name: "a position that the server has forgotten", diary: together(rowsOf(10), []entry{join(), resyncs(unknown, 10, 25, 50), got(60)}), names: true, unclean: 50,
			want: "unknown to it",
		},
		{
			name: "a client that is forgotten without a kill", diary: together(rowsOf(10), []entry{join(), resyncs(unknown, 0, 0, 50), got(60)}),
			want: "never ended without a stop",
		},
		{
			name: "a client that is forgotten before the kill", diary: together(rowsOf(10), []entry{join(), resyncs(unknown, 0, 0, 50), got(60)}), unclean: 200,
			want: "never ended without a stop",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			wants := func(w written) bool { return w.Shard == 1 }
			faults := judge(charge{Wants: wants, Base: at(5), HasBase: true, Names: c.names, Unclean: c.unclean}, committed(), c.diary)
			switch {
			case c.want == "" && len(faults) > 0:
				t.Errorf("judge finds %+v; want nothing", faults)
			case c.want != "" && len(faults) == 0:
				t.Errorf("judge finds nothing; want %q", c.want)
			case c.want != "" && !strings.Contains(faults[0].Text, c.want):
				t.Errorf("judge finds %+v first; want %q", faults, c.want)
			}
		})
	}
}

// A diary that lacks one row, has one twice or two in the wrong order is at fault,
// wherever in the diary that is, also if the client is told no positions.
func TestJudgeFindsEveryLossDoubleAndSwap(t *testing.T) {
	var numbers []int
	var rows []written
	for n := 1; n <= 40; n++ {
		numbers = append(numbers, n)
		rows = append(rows, written{row: row{1, n}, Table: "open_rows", At: at(n)})
	}
	wants := func(written) bool { return true }
	check := func(what string, n int, spoilt []int) {
		t.Helper()
		diary := rowsOf(spoilt...)
		for i := range diary {
			diary[i].At = wal.Position{}
		}
		if len(judge(charge{Wants: wants, HasBase: true}, rows, diary)) == 0 {
			t.Errorf("judge finds nothing; row %d is %s", n, what)
		}
	}
	for i := range numbers[:len(numbers)-1] { // the last is the drill's to wait for
		before, after := numbers[:i:i], numbers[i+1:]
		check("dropped", numbers[i], append(before, after...))
		check("doubled", numbers[i], append(append(before, numbers[i], numbers[i]), after...))
		check("swapped with the next", numbers[i], append(append(before, numbers[i+1], numbers[i]), numbers[i+2:]...))
	}
	if faults := judge(charge{Wants: wants, HasBase: true}, rows, rowsOf(numbers...)); len(faults) > 0 {
		t.Errorf("judge finds %+v where nothing is wrong", faults)
	}
}

func TestOnlyWhatIsAskedForAndMayBeSeenIsWanted(t *testing.T) {
	guarded := interest{Tables: []string{"guarded_rows"}, Filter: "shard=neq.1", Shards: []int{2, 3, 4}, User: "11111111-1111-1111-1111-111111111111"}
	for shard, want := range []bool{true, false, true, false, false} {
		if got := guarded.wants(written{Table: "guarded_rows", Shard: shard}); got != want {
			t.Errorf("a guarded row of shard %d is wanted: %t; want %t", shard, got, want)
		}
	}
	if open := (interest{Tables: tables, User: guarded.User}); !open.wants(written{Table: "open_rows", Shard: 4}) || open.wants(written{Table: "guarded_rows", Shard: 4}) {
		t.Error("a row of the open table is not wanted, or a guarded one that may not be seen is")
	}
	if guarded.wants(written{Table: "open_rows"}) {
		t.Error("a row of another table is wanted")
	}
}
