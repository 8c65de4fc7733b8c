package pgoutput

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"walcast/internal/golden"
	"walcast/replication/rowjson"
	"walcast/replication/wal"
)

// captures are recorded by TestServerSendsWhatWasRecorded.
const captures = "../../testdata/pgoutput/"

func TestDecodeRecordedMessages(t *testing.T) {
	for _, c := range golden.Cases(t, captures+"*.hex") {
		t.Run(c.Name, func(t *testing.T) {
			golden.Compare(t, c.With(".jsonl"), transcript(t, readMessages(t, c), readCatalog(t, c)))
		})
	}
}

// readMessages reads one message from each line.
func readMessages(t testing.TB, c golden.Case) [][]byte {
	t.Helper()
	var messages [][]byte
	for line := range bytes.Lines(c.Read(t)) {
		message, err := hex.DecodeString(string(bytes.TrimSpace(line)))
		if err != nil {
			t.Fatalf("read %s: %v", c.Path, err)
		}
		messages = append(messages, message)
	}
	return messages
}

// readCatalog answers as the catalog did when the messages were recorded.
func readCatalog(t testing.TB, c golden.Case) func(uint32, []uint32) (wal.Description, error) {
	t.Helper()
	var answers map[uint32]wal.Description
	if err := json.Unmarshal(golden.Case{Path: c.With(".catalog.json")}.Read(t), &answers); err != nil {
		t.Fatalf("read catalog of %s: %v", c.Name, err)
	}
	return func(relation uint32, types []uint32) (wal.Description, error) {
		d, ok := answers[relation]
		if !ok {
			t.Errorf("describe(%d, %v) was not asked when %s was recorded", relation, types, c.Name)
		}
		return d, nil
	}
}

// transcript tells in lines what the messages decode to. Positions stand for
// the number of the transaction and the index, so that they do not change when
// a case is recorded again. Transactions without changes have no number: 14
// sends them, newer ones do not.
func transcript(t testing.TB, messages [][]byte, describe func(uint32, []uint32) (wal.Description, error)) string {
	t.Helper()
	d := NewDecoder(describe)
	var out strings.Builder
	var told *wal.Relation
	transactions, last := 0, wal.LSN(0)
	for _, m := range messages {
		got, err := d.Decode(bytes.Clone(m))
		if err != nil {
			t.Fatalf("Decode(%x): %v", m, err)
		}
		if got.Message != nil && !got.Message.Transactional {
			fmt.Fprintf(&out, "{\"prefix\":%q,\"content\":%q}\n", got.Message.Prefix, got.Message.Content)
		}
		for _, c := range got.Changes {
			if r := c.Relation; r != nil && (told == nil || !r.SameShape(told)) {
				told = r
				out.Write(relationLine(r))
			}
			if c.Position.LSN != last {
				transactions, last = transactions+1, c.Position.LSN
			}
			out.Write(changeLine(transactions, c))
		}
	}
	return out.String()
}

func relationLine(r *wal.Relation) []byte {
	line := fmt.Appendf(nil, `{"relation":"%s.%s","identity":"%c","columns":[`, r.Schema, strings.ReplaceAll(r.Table, `"`, `\"`), r.ReplicaIdentity)
	for i, c := range r.Columns {
		if i > 0 {
			line = append(line, ',')
		}
		text := c.Name + " " + c.Type.Name
		if c.Identity {
			text += " identity"
		}
		if c.Key {
			text += " key"
		}
		if r.Old != nil {
			text += [...]string{", never in old rows", ", in some old rows", ", in old rows"}[r.Old[i]]
		}
		line = append(line, jsonString(text)...)
	}
	return append(line, "]}\n"...)
}

func changeLine(transaction int, c *wal.Change) []byte {
	line := fmt.Appendf(nil, `{"position":"%d:%d","operation":%q`, transaction, c.Position.Seq, c.Operation)
	if c.Operation == wal.Message {
		line = append(append(line, `,"prefix":`...), jsonString(c.Prefix)...)
		line = append(append(line, `,"content":`...), jsonString(c.Content)...)
	}
	if c.New != nil {
		line = rowjson.Encoding{}.AppendRecord(append(line, `,"new":`...), c.Relation, c.New, nil)
	}
	if c.Old != nil {
		line = rowjson.Encoding{}.AppendRecord(append(line, `,"old":`...), c.Relation, c.Old, nil)
	}
	return append(line, "}\n"...)
}

// jsonString is text as a JSON string.
func jsonString(text string) []byte {
	return rowjson.Encoding{}.AppendValue(nil, wal.BuiltinTypeByName("text"), text)
}
