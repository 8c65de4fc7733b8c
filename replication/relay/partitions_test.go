package relay

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"walcast/replication/pgoutput"
	"walcast/replication/wal"
)

// captures are what Postgres sent of tables that are published as roots of partitions.
const captures = "../../testdata/pgoutput/partition-root"

// A node that begins in the middle of a stream knows as much of what old rows of
// partitions have as one that has read it from the start.
func TestPreludeTellsOfPartitions(t *testing.T) {
	for _, name := range []string{"", "-identities", "-listed"} {
		t.Run("partition-root"+name, func(t *testing.T) {
			messages, describe := readCapture(t, captures+name)
			whole := decoded(t, describe, nil, messages)
			begun := 0
			for at, message := range messages {
				if message[0] == 'C' {
					begun = at + 1
				}
				if message[0] != 'B' || begun == 0 {
					continue
				}
				answer := streamTo(t, messages[:begun])
				relayed := NewStore(Config{Bytes: 1 << 20, Window: time.Minute})
				for _, b := range answer.Batches { // and a node that has begun so gives it on
					relayed.Add(start, b)
				}
				for _, a := range []Answer{answer, relayed.Answer(Question{})} {
					late := decoded(t, describe, preludeOf(t, a), messages[begun:])
					if diff := cmp.Diff(whole[len(whole)-len(late):], late); diff != "" {
						t.Fatalf("what a node decodes that begins with message %d (-all from the start +from there):\n%s", begun, diff)
					}
				}
			}
		})
	}
}

// readCapture reads recorded messages, and what the catalog said when they were recorded.
func readCapture(t *testing.T, path string) (messages [][]byte, describe func(uint32, []uint32) (wal.Description, error)) {
	t.Helper()
	text, err := os.ReadFile(path + ".hex")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.FieldsSeq(string(text)) {
		message, err := hex.DecodeString(line)
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, message)
	}
	var answers map[uint32]wal.Description
	if text, err = os.ReadFile(path + ".catalog.json"); err == nil {
		err = json.Unmarshal(text, &answers)
	}
	if err != nil {
		t.Fatal(err)
	}
	return messages, func(relation uint32, _ []uint32) (wal.Description, error) { return answers[relation], nil }
}

// streamTo is the answer of a node that has let go of the messages, and has one more
// transaction.
func streamTo(t *testing.T, messages [][]byte) Answer {
	t.Helper()
	now, end := start, wal.LSN(100)
	store := NewStore(Config{Bytes: 1 << 20, Window: time.Minute})
	w := NewWriter(Term{Begun: 1}, end, opening, func(b Batch) { store.Add(now, b) })
	for _, message := range messages {
		if message[0] == 'C' {
			end += 10
			w.Message(message, end)
			w.Flush()
			continue
		}
		w.Message(message, 0)
	}
	now = now.Add(time.Hour)
	w.Keepalive(end + 10)
	w.Flush()
	a := store.Answer(Question{})
	if len(a.Batches) != 2 || !a.Batches[0].Prelude {
		t.Fatalf("answer %+v; want a prelude and a batch", a)
	}
	return a
}

func preludeOf(t *testing.T, a Answer) (messages [][]byte) {
	t.Helper()
	for _, text := range told(t, a.Batches[0]) {
		messages = append(messages, []byte(text))
	}
	return messages
}

// decoded is what messages come to: the old rows, and what the tables send of these.
func decoded(t *testing.T, describe func(uint32, []uint32) (wal.Description, error), prelude, messages [][]byte) (all []string) {
	t.Helper()
	d := pgoutput.NewDecoder(describe)
	for _, m := range messages {
		got, err := d.Decode(bytes.Clone(m))
		if err == nil && d.InTransaction() && prelude != nil {
			err = d.Recall(prelude)
			prelude = nil
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range got.Changes {
			if c.Relation != nil {
				all = append(all, fmt.Sprintf("%s of %s: %+v, of %v", c.Operation, c.Relation.Table, c.Old, c.Relation.Old))
			}
		}
	}
	return all
}
