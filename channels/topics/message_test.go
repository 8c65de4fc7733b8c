package topics

import (
	"strings"
	"testing"

	"walcast/protocol"
	"walcast/replication/wal"
)

func TestWhatIsAMessage(t *testing.T) {
	f := newFixture(t, Config{PrivateLogicalMessages: func() bool { return true }})
	other := row("room", "e", "f", "1", "{}", "NULL")
	other.Relation = &wal.Relation{Schema: "public", Table: "messages", Columns: other.Relation.Columns}
	update := row("room", "e", "f", "1", "{}", "NULL")
	update.Operation = wal.Update
	public := protocol.Topic{Name: "realtime:room"}
	for _, test := range []struct {
		name   string
		change *wal.Change
		key    protocol.Topic
		want   string // part of its frame, "" for no message
	}{
		{"row", row("room", "e", "f", "1", `{"n":1}`, "NULL"), public, `{"event":"e","meta":{"id":"1"},"payload":{"n":1},"type":"broadcast"}`},
		{"private row", row("room", "e", "t", "1", `{"n":1}`, "NULL"), private, `"meta":{"id":"1"}`},
		{"logical message", logical(`{"topic":"room","event":"e","payload":[1],"private":false}`), public, `{"event":"e","payload":[1],"type":"broadcast"}`},
		{"logical message that is private", logical(`{"topic":"room","event":"e","payload":[1]}`), private, `"payload":[1]`},
		{"row of a number as text", row("room", "e", "f", "1", `{"n":"1e999"}`, "NULL"), public, `"payload":{"n":"1e999"}`},
		{"row of another table", other, protocol.Topic{}, ""},
		{"row that changes", update, protocol.Topic{}, ""},
		{"message of others", &wal.Change{Operation: wal.Message, Prefix: "theirs", Content: "{}"}, protocol.Topic{}, ""},
	} {
		key, m := f.Message(test.change, true)
		if key != test.key || (m != nil) != (test.want != "") {
			t.Errorf("%s: %v, %v; want %v, message %q", test.name, key, m, test.key, test.want)
			continue
		}
		if m != nil {
			to, got := f.join(key, MemberConfig{})
			m.Deliver(to)
			got.want(t, test.name, test.want)
		}
	}
	if f.log.Len() > 0 {
		t.Errorf("log %s; want nothing", f.log)
	}
}

func TestMessagesThatEndSocketsAreNotDelivered(t *testing.T) {
	f := newFixture(t, Config{})
	for _, c := range []*wal.Change{
		row("room", "e", "f", "1", `{"n":`+strings.Repeat("9", 400)+`}`, "NULL"), // as jsonb prints 1e400
		logical(`{"topic":"room","event":"e","payload":1e999,"private":false}`),
	} {
		if _, m := f.Message(c, true); m != nil {
			t.Errorf("a message of %v is delivered; want its number refused", c)
		}
	}
	if !strings.Contains(f.log.String(), "a number that a double cannot hold") {
		t.Errorf("log %s; want why", f.log)
	}
}

func TestMessagesToWhatIsNoTopicAreNotDelivered(t *testing.T) {
	for _, name := range []string{"a\x00b", "a\nlevel=ERROR", strings.Repeat("x", 1025)} {
		f := newFixture(t, Config{})
		if _, m := f.Message(row(name, "e", "f", "1", `{"n":1}`, "NULL"), true); m != nil {
			t.Errorf("a message to %.20q is delivered", name)
		}
		if !strings.Contains(f.log.String(), "A topic name has ") {
			t.Errorf("log %s; want why %.20q is no topic", f.log, name)
		}
	}
}

// TestALogicalMessageGoesToAPrivateTopicOnlyIfItsWritersAreTrusted: the WAL does
// not say who wrote it.
func TestALogicalMessageGoesToAPrivateTopicOnlyIfItsWritersAreTrusted(t *testing.T) {
	trusted := false
	for _, c := range []Config{{}, {PrivateLogicalMessages: func() bool { return trusted }}} {
		f := newFixture(t, c)
		for _, content := range []string{`{"topic":"room","event":"e","payload":1}`, `{"topic":"room","event":"e","payload":1,"private":true}`} {
			if _, m := f.Message(logical(content), true); m != nil {
				t.Errorf("%s is delivered; want it refused", content)
			}
		}
		if !strings.Contains(f.log.String(), "logical messages do not go to private topics") {
			t.Errorf("log %s; want why", f.log)
		}
		if _, m := f.Message(logical(`{"topic":"room","event":"e","payload":1,"private":false}`), true); m == nil {
			t.Error("a logical message to a public topic is refused")
		}
		if _, m := f.Message(row("room", "e", "t", "1", `{"n":1}`, "NULL"), true); m == nil {
			t.Error("a stored message to a private topic is refused")
		}
	}
	trusted = true
	f := newFixture(t, Config{PrivateLogicalMessages: func() bool { return trusted }})
	if _, m := f.Message(logical(`{"topic":"room","event":"e","payload":1}`), true); m == nil {
		t.Error("a logical message of trusted writers is refused")
	}
}

func TestABinaryMessageIsDeliveredWhereItCanBe(t *testing.T) {
	f := newFixture(t, Config{})
	_, m := f.Message(row("room", "e", "f", "1", "NULL", `\x6869`), true)
	one, text := f.join(room, MemberConfig{})
	two, binary := f.join(room, MemberConfig{Address: protocol.Address{Version: protocol.V2}})
	m.Deliver(one)
	m.Deliver(two)
	text.want(t, "a receiver of 1.0.0")
	binary.want(t, "a receiver of 2.0.0", "hi")
}

func TestMessagesThatCannotBeDeliveredAreReportedOnce(t *testing.T) {
	large := `{"n":"` + strings.Repeat("x", 2000) + `"}`
	for _, test := range []struct {
		change *wal.Change
		want   string
	}{
		{logical(`nonsense`), "invalid character"},
		{logical(`[]`), "cannot unmarshal array"},
		{logical(`{"topic":5,"event":"e","payload":{}}`), "cannot unmarshal number"},
		{logical(`{"event":"e","payload":{}}`), `without a \"topic\"`},
		{logical(`{"topic":"room","payload":{}}`), `without an \"event\"`},
		{logical(`{"topic":"room","event":"e","private":false}`), `without a \"payload\"`},
		{logical(`{"topic":"room","event":"e","payload":` + large + `,"private":false}`), "the limit is 2000"},
		{&wal.Change{Operation: wal.Message, Prefix: MessagePrefix, Cut: true}, "too large to be read"},
		{row("room", "NULL", "f", "1", "{}", "NULL"), "without event"},
		{row("room", "e", "f", "1", "NULL", "NULL"), "without payload"},
		{row("room", "e", "f", "1", "NULL", "no hex"), "invalid byte"},
		{row("room", "e", "f", "1", large, "NULL"), "the limit is 2000"},
	} {
		f := newFixture(t, Config{})
		for _, reports := range []bool{false, true, false} {
			if _, m := f.Message(test.change, reports); m != nil {
				t.Errorf("%q is a message; want none", test.want)
			}
		}
		if log := f.log.String(); strings.Count(log, "not delivered") != 1 || !strings.Contains(log, test.want) {
			t.Errorf("log %q; want one line that says %q", log, test.want)
		}
		if got := f.value("walcast_channels_sql_messages_total", resultRefused); got != 1 {
			t.Errorf("%q is counted %v times; want once", test.want, got)
		}
	}
}

func TestAMessageIsForMembersThatListen(t *testing.T) {
	f := newFixture(t, Config{})
	_, m := f.Message(logical(`{"topic":"room","event":"`+strings.Repeat("e", 256)+`","payload":1,"private":false}`), true)
	m.Sent()
	if got := f.value("walcast_channels_sql_messages_total", resultRelayed); got != 1 {
		t.Errorf("counted %v messages; want 1", got)
	}
	if !strings.Contains(f.log.String(), "event has 256 bytes") {
		t.Errorf("log %q; want what does not fit a header of 2.0.0", f.log)
	}
	a, first := f.join(room, MemberConfig{})
	b, second := f.join(room, MemberConfig{})
	c, deaf := f.join(room, MemberConfig{Deaf: true})
	d, gone := f.join(room, MemberConfig{})
	d.Leave()
	for _, to := range []*Member{a, b, c, d} {
		m.Deliver(to)
	}
	if len(first.frames) != 1 || len(second.frames) != 1 || first.frames[0] != second.frames[0] {
		t.Error("two receivers have not got one shared frame")
	}
	deaf.want(t, "who does not listen")
	gone.want(t, "who has left")
}
