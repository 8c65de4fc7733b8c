package pgoutput

import (
	"strings"
	"testing"

	"walcast/replication/wal"
)

func logicalOf(flags byte, prefix, content string) message {
	m := message{'M'}.u8(flags).u64(0x99).str(prefix).u32(uint32(len(content)))
	return append(m, content...)
}

func TestMessagesThatAreNotKeptHoldNothingAndStillTakeAnIndex(t *testing.T) {
	d := NewDecoder(noCatalog)
	d.KeepMessages(func(prefix []byte) bool { return string(prefix) == "ours" })
	decodeAll(t, d, beginMessage(1, testTime))
	foreign := decodeAll(t, d, logicalOf(1, "theirs", strings.Repeat("x", 1<<20)))
	if m := foreign.Message; len(foreign.Changes) != 0 || m == nil || !m.Transactional || m.LSN != 0x99 || m.Prefix+m.Content != "" {
		t.Errorf("decoded %+v with message %+v; want a message without prefix and content, and no change", foreign, m)
	}
	if at := decodeAll(t, d, logicalOf(0, "theirs", "at once")); len(at.Changes) != 0 || at.Message == nil || at.Message.Transactional {
		t.Errorf("decoded %+v; want a message that is not transactional", at)
	}
	ours := decodeAll(t, d, logicalOf(1, "ours", "content"))
	if len(ours.Changes) != 1 || ours.Changes[0].Content != "content" || ours.Changes[0].Position.Seq != 1 {
		t.Errorf("decoded %+v; want a change with index 1", ours.Changes)
	}
	cut := decodeAll(t, d, logicalOf(1|FlagCut, "ours", ""))
	if len(cut.Changes) != 1 || !cut.Changes[0].Cut || cut.Changes[0].Operation != wal.Message {
		t.Errorf("decoded %+v; want a change that is cut", cut.Changes)
	}
}
