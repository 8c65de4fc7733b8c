package pgoutput

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"walcast/internal/golden"
	"walcast/replication/wal"
)

func TestDecodeSaysWhereATransactionIs(t *testing.T) {
	d := NewDecoder(noCatalog)
	begin := decodeAll(t, d, beginMessage(0x100, testTime))
	if begin.Commit != 0x100 || !begin.CommitTime.Equal(testTime) || begin.End != 0 || !d.InTransaction() {
		t.Errorf("Decode(begin) = %+v, in transaction %v; want commit 0/100 at %v, in transaction", begin, d.InTransaction(), testTime)
	}
	row := decodeAll(t, d, idAndName(wal.IdentityDefault), insertMessage("1", "a"), insertMessage("2", "b"))
	if c := row.Changes[0]; c.Position != (wal.Position{LSN: 0x100, Seq: 1}) || !c.CommitTime.Equal(testTime) || row.Commit != 0x100 {
		t.Errorf("second insert at %v, %v, commit %v; want 0/100:1 at %v", c.Position, c.CommitTime, row.Commit, testTime)
	}
	if got := row.Changes[0].XID; got != 7 {
		t.Errorf("second insert is of transaction %d; want 7, as Begin says", got)
	}
	commit := decodeAll(t, d, commitMessage(0x100, 0x130))
	if commit.Commit != 0x100 || commit.End != 0x130 || d.InTransaction() {
		t.Errorf("Decode(commit) = %+v, in transaction %v; want commit 0/100, end 0/130, outside", commit, d.InTransaction())
	}
	again := decodeAll(t, d, beginMessage(0x200, testTime), insertMessage("3", "c"))
	if got := again.Changes[0].Position; got != (wal.Position{LSN: 0x200, Seq: 0}) {
		t.Errorf("first insert of the next transaction at %v; want 0/200:0", got)
	}
}

func TestACommitFollowsTheLastChangeThatWasMade(t *testing.T) {
	said := func(prefix string) message {
		return message{'M'}.u8(flagTransactional).u64(0x80).str(prefix).u32(2).raw('h', 'i')
	}
	for _, c := range []struct {
		name string
		of   []message
		want uint32 // its index, 0 for none
	}{
		{"one row", []message{insertMessage("1", "a")}, 1},
		{"several rows", []message{insertMessage("1", "a"), insertMessage("2", "b"), insertMessage("3", "c")}, 3},
		{"a truncate", []message{message{'T'}.u32(1).u8(0).u32(testRelation)}, 1},
		{"a message of ours after the row", []message{insertMessage("1", "a"), said("ours")}, 2},
		{"one of others after the row", []message{insertMessage("1", "a"), said("theirs"), said("theirs")}, 1},
		{"one of others before the row", []message{said("theirs"), insertMessage("1", "a")}, 2},
		{"messages alone", []message{said("ours"), said("theirs")}, 0},
		{"nothing", nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := NewDecoder(noCatalog)
			d.KeepMessages(func(prefix []byte) bool { return string(prefix) == "ours" })
			decodeAll(t, d, beginMessage(0x50, testTime), idAndName(wal.IdentityDefault), commitMessage(0x50, 0x60))
			decodeAll(t, d, append([]message{beginMessage(0x100, testTime)}, c.of...)...)
			got := decodeAll(t, d, commitMessage(0x100, 0x130)).Changes
			if c.want == 0 {
				if len(got) > 0 {
					t.Errorf("the end of the transaction made %+v; want no change", got[0])
				}
				return
			}
			want := wal.Change{
				Operation: wal.Commit, Position: wal.Position{LSN: 0x100, Seq: c.want}, XID: 7, CommitTime: testTime, Bytes: changeSize,
			}
			if len(got) != 1 || !cmp.Equal(*got[0], want) {
				t.Errorf("the end of the transaction made %+v; want one of %+v", got, want)
			}
		})
	}
}

func TestDecodeKeepsNothingOfTheBuffer(t *testing.T) {
	d := NewDecoder(noCatalog)
	decodeAll(t, d, beginMessage(0x100, testTime), idAndName(wal.IdentityDefault))
	buffer := insertMessage("1", "milk")
	c := decodeAll(t, d, buffer).Changes[0]
	for i := range buffer {
		buffer[i] = '#'
	}
	if got := c.New[1].Text; got != "milk" {
		t.Errorf("value after the buffer was overwritten = %q; want milk", got)
	}
}

func TestDecodeOldRows(t *testing.T) {
	text := func(s string) wal.Value { return wal.Value{Text: s, Kind: wal.Text} }
	null := wal.Value{Kind: wal.Null}
	update := func(old byte, values []any, row ...any) message {
		m := message{'U'}.u32(testRelation)
		if old != 0 {
			m = m.u8(old).tuple(values...)
		}
		return m.u8('N').tuple(row...)
	}
	remove := func(old byte, values ...any) message { return message{'D'}.u32(testRelation).u8(old).tuple(values...) }
	for _, c := range []struct {
		name     string
		identity wal.ReplicaIdentity
		message  message
		row, old wal.Row
	}{
		{"an update without an old tuple has the key of the new row", wal.IdentityDefault, update(0, nil, "1", "b"), wal.Row{text("1"), text("b")}, wal.Row{text("1"), {}}},
		{"so it has under an index identity", wal.IdentityIndex, update(0, nil, "1", "b"), wal.Row{text("1"), text("b")}, wal.Row{text("1"), {}}},
		{"but not under FULL or NOTHING", wal.IdentityNothing, update(0, nil, "1", "b"), wal.Row{text("1"), text("b")}, nil},
		{"null outside of a key tuple's key is absent", wal.IdentityDefault, update('K', []any{"1", nil}, "2", nil), wal.Row{text("2"), null}, wal.Row{text("1"), {}}},
		{"null in a full old tuple is null", wal.IdentityFull, update('O', []any{"1", nil}, "1", "b"), wal.Row{text("1"), text("b")}, wal.Row{text("1"), null}},
		{"an unchanged TOAST value is absent", wal.IdentityDefault, update(0, nil, "1", unchanged{}), wal.Row{text("1"), {}}, wal.Row{text("1"), {}}},
		{"under FULL it is filled from the old row", wal.IdentityFull, update('O', []any{"1", "big"}, "2", unchanged{}), wal.Row{text("2"), text("big")}, wal.Row{text("1"), text("big")}},
		{"a key out of line is filled from the key tuple", wal.IdentityDefault, update('K', []any{"big", nil}, unchanged{}, "b"), wal.Row{text("big"), text("b")}, wal.Row{text("big"), {}}},
		{"a delete has the key", wal.IdentityDefault, remove('K', "1", nil), nil, wal.Row{text("1"), {}}},
		{"or all", wal.IdentityFull, remove('O', "1", nil), nil, wal.Row{text("1"), null}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := NewDecoder(noCatalog)
			got := decodeAll(t, d, beginMessage(0x100, testTime), idAndName(c.identity), c.message).Changes[0]
			if diff := cmp.Diff([]wal.Row{c.row, c.old}, []wal.Row{got.New, got.Old}); diff != "" {
				t.Errorf("new and old row (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, c := range []struct {
		name     string
		messages []message
		want     string
	}{
		{"nothing", []message{{}}, "decode message: message is cut off"},
		{"a message of another protocol", []message{{'?'}}, "not a message of protocol version 1"},
		{"streamed transactions", []message{message{'S'}.u32(1).u8(1)}, "streamed transactions"},
		{"prepared transactions", []message{message{'P'}.u64(1)}, "two_phase"},
		{"a row of an unknown relation", []message{beginMessage(1, testTime), insertMessage("1", "a")}, "decode insert: unknown relation 20000"},
		{"a truncated unknown relation", []message{beginMessage(1, testTime), message{'T'}.u32(1).u8(0).u32(5)}, "decode truncate: unknown relation 5"},
		{"a row outside of a transaction", []message{idAndName('d'), insertMessage("1", "a")}, "INSERT outside of a transaction"},
		{"a transactional message outside of one", []message{message{'M'}.u8(1).u64(1).str("p").u32(0)}, "MESSAGE outside of a transaction"},
		{"a transaction inside of another", []message{beginMessage(1, testTime), beginMessage(2, testTime)}, "transaction 0/1 has not ended"},
		{"the commit of another transaction", []message{beginMessage(1, testTime), commitMessage(2, 3)}, "transaction 0/2 has not begun"},
		{"a row of too many columns", []message{beginMessage(1, testTime), idAndName('d'), insertMessage("1", "a", "b")}, "tuple of 3 columns, the relation has 2"},
		{"a binary value", []message{beginMessage(1, testTime), idAndName('d'), message{'I'}.u32(testRelation).u8('N').u16(2).u8('b').u32(0)}, `value of kind 'b' in column 0`},
		{"an insert without a new row", []message{beginMessage(1, testTime), idAndName('d'), message{'I'}.u32(testRelation).u8('K').tuple("1", "a")}, `tuple of kind 'K'`},
		{"an update without a new row", []message{beginMessage(1, testTime), idAndName('d'), message{'U'}.u32(testRelation).u8('K').tuple("1", nil).u8('O')}, `tuple of kind 'O'`},
		{"a delete without an old row", []message{beginMessage(1, testTime), idAndName('d'), message{'D'}.u32(testRelation).u8('N').tuple("1", "a")}, `tuple of kind 'N'`},
		{"a value longer than the message", []message{beginMessage(1, testTime), idAndName('d'), message{'I'}.u32(testRelation).u8('N').u16(2).u8('t').u32(0xffffffff)}, "decode insert: message is cut off"},
		{"more columns than the message has room for", []message{message{'R'}.u32(1).str("s").str("t").u8('d').u16(0xffff)}, "decode relation: message is cut off"},
		{"more tables than the message has room for", []message{beginMessage(1, testTime), message{'T'}.u32(0xffffffff).u8(0)}, "4294967295 tables in 0 bytes"},
		{"bytes behind a message", []message{beginMessage(1, testTime).raw(0, 0)}, "decode begin: 2 bytes left over"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := NewDecoder(noCatalog)
			last := len(c.messages) - 1
			decodeAll(t, d, c.messages[:last]...)
			_, err := d.Decode(c.messages[last])
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Decode(%q) = %v; want an error with %q", c.messages[last], err, c.want)
			}
		})
	}
}

func TestDecodeRefusesEveryMessageThatIsCutOff(t *testing.T) {
	for _, c := range golden.Cases(t, captures+"*.hex") {
		d := NewDecoder(readCatalog(t, c))
		for _, m := range readMessages(t, c) {
			for n := range min(len(m), 300) {
				probe := *d // errors leave a decoder unusable
				if got, err := probe.Decode(m[:n]); err == nil {
					t.Fatalf("%s: Decode(%x) = %+v; want an error", c.Name, m[:n], got)
				}
			}
			if _, err := d.Decode(m); err != nil {
				t.Fatalf("%s: Decode(%x): %v", c.Name, m, err)
			}
		}
	}
}

func TestDecodeLeavesLargeValuesOut(t *testing.T) {
	d := NewDecoder(noCatalog)
	d.limit = 20_000
	decodeAll(t, d, beginMessage(0x100, testTime),
		relationMessage(wal.IdentityDefault, testColumn{"id", 25, true}, testColumn{"small", 25, false}, testColumn{"big", 25, false}))
	key, big := strings.Repeat("k", cutValue+1), strings.Repeat("b", 20_000)
	c := decodeAll(t, d, insertMessage(key, "s", big)).Changes[0]
	if !c.Cut || c.New[0].Text != key || c.New[1].Text != "s" || c.New[2].Kind != wal.Absent {
		t.Errorf("cut %v, row kinds %d %d %d; want a cut row with key and small value only", c.Cut, c.New[0].Kind, c.New[1].Kind, c.New[2].Kind)
	}
	if c.Bytes > 8_000 {
		t.Errorf("Bytes = %d; want what is kept, under 8000", c.Bytes)
	}
	if c := decodeAll(t, d, insertMessage("1", "s", "b")).Changes[0]; c.Cut {
		t.Error("a small row is cut")
	}
}

func TestDecodeAllocatesLittle(t *testing.T) {
	d := NewDecoder(noCatalog)
	row := insertMessage("1", strings.Repeat("a", 100))
	decodeAll(t, d, beginMessage(0x100, testTime), idAndName(wal.IdentityDefault), row)
	got := testing.AllocsPerRun(100, func() {
		if _, err := d.Decode(row); err != nil {
			t.Fatal(err)
		}
	})
	if got > 3 { // the text, the values, the change
		t.Errorf("Decode of a row makes %v allocations; want 3", got)
	}
}

func TestChangeBytesCoverTheMessage(t *testing.T) {
	d := NewDecoder(noCatalog)
	m := insertMessage("1", strings.Repeat("a", 1000))
	c := decodeAll(t, d, beginMessage(0x100, testTime), idAndName(wal.IdentityDefault), m).Changes[0]
	if c.Bytes < len(m) || c.Bytes > len(m)+500 {
		t.Errorf("Bytes of a change of %d bytes = %d; want a little more", len(m), c.Bytes)
	}
	content := bytes.Repeat([]byte("m"), 1000)
	c = decodeAll(t, d, message{'M'}.u8(1).u64(1).str("p").u32(1000).raw(content...)).Changes[0]
	if c.Bytes < 1000 || c.Content != string(content) {
		t.Errorf("Bytes of a message of 1000 bytes = %d; want at least that", c.Bytes)
	}
}
