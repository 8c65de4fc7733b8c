package protocol

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"walcast/internal/transcript"
)

// joinDeviation is a join that walcast answers otherwise than upstream, and
// what in docs/protocol.md says so: a line of "Where walcast differs" or a section.
type joinDeviation struct {
	section string
	payload string // part of it, "" for every join of the section
	decides string
	reason  string // the refusal, "" for an accepted join
	invalid string // why the binding cannot be served
	echo    string // the accepted join's response
}

var joinDeviations = []joinDeviation{
	{section: "private of every type", payload: `"private":"yes"`, decides: "9", reason: `InvalidJoinPayload: config.private must be true or false, got: "yes"`},
	{section: "private of every type", payload: `"private":""`, decides: "9", reason: `InvalidJoinPayload: config.private must be true or false, got: ""`},
	{section: "private of every type", payload: `"private":1`, decides: "9", reason: `InvalidJoinPayload: config.private must be true or false, got: 1`},
	{section: "private of every type", payload: `"private":0`, decides: "9", reason: `InvalidJoinPayload: config.private must be true or false, got: 0`},
	{section: "private of every type", payload: `"private":null`, decides: "9", reason: `InvalidJoinPayload: config.private must be true or false, got: nil`},
	{section: "private of every type", payload: `"private":[]`, decides: "9", reason: `InvalidJoinPayload: config.private must be true or false, got: []`},
	{section: "private of every type", payload: `"private":{}`, decides: "9", reason: `InvalidJoinPayload: config.private must be true or false, got: %{}`},
	{section: "broadcast.replay null on a public channel", decides: "10", echo: `{"postgres_changes":[]}`},
	{section: `event "bogus"`, decides: "8", invalid: errorEvent + `"bogus"`},
	{section: `event ""`, decides: "8", invalid: errorEvent + `""`},
	{section: "event 5", decides: "8", invalid: errorEvent + "5"},
	{section: `event ["INSERT"]`, decides: "8", invalid: errorEvent + `["INSERT"]`},

	// Upstream says which of its functions failed.
	{section: "config is a string", decides: "wording", reason: `UnknownErrorOnChannel: expected config to be a map, got: "x"`},
	{section: "config is a number", decides: "wording", reason: "UnknownErrorOnChannel: expected config to be a map, got: 1"},
	{section: "config is an array", decides: "wording", reason: "UnknownErrorOnChannel: expected config to be a map, got: []"},
	{section: "config is a non-empty array", decides: "wording", reason: "UnknownErrorOnChannel: expected config to be a map, got: [1]"},
	{section: "config true", decides: "wording", reason: "UnknownErrorOnChannel: expected config to be a map, got: true"},
	{section: "config.broadcast is a string", decides: "wording", reason: `UnknownErrorOnChannel: expected config.broadcast to be a map, got: "x"`},
	{section: "config.broadcast is a number", decides: "wording", reason: "UnknownErrorOnChannel: expected config.broadcast to be a map, got: 1"},
	{section: "config.broadcast is []", decides: "wording", reason: "UnknownErrorOnChannel: expected config.broadcast to be a map, got: []"},
	{section: "config.broadcast is [1]", decides: "wording", reason: "UnknownErrorOnChannel: expected config.broadcast to be a map, got: [1]"},
	{section: "config.broadcast is true", decides: "wording", reason: "UnknownErrorOnChannel: expected config.broadcast to be a map, got: true"},

	// Upstream puts its id before the client's, and JSON.parse keeps the client's.
	{
		section: "an id from the client", decides: "bindings",
		echo: `{"postgres_changes":[{"id":"<id-39724020>","event":"INSERT","schema":"public","table":"tr_todo"}]}`,
	},
}

// reasonsOfOthers start the refusals that are not about the payload.
var reasonsOfOthers = []string{
	RefuseUnmatchedTopic.Error(), RefuseTopicNameRequired.Error(), RefusePrivateOnly.Error(),
	RefuseTooManyChannels.Error(), RefuseTooManyJoins.Error(),
	"InvalidJWTToken: ", "MalformedJWT: ", "JwtSignatureError: ", "JwtSignerError: ", "Unauthorized: ", RefuseUnknown.Error(),
	"UnknownErrorOnChannel: Erlang error: {:invalid_byte", // a token that is no base64
}

func TestRecordedJoins(t *testing.T) {
	joins, used := 0, map[int]bool{}
	for _, file := range transcript.ReadAll(t, "../testdata/transcripts/*.jsonl") {
		ids := transcript.NewMatcher() // ids are functions of the content: equal throughout
		for _, s := range file.Sections {
			t.Run(file.Name+"/"+s.Name, func(t *testing.T) {
				for i, l := range s.Lines {
					join, ok := readJoin(t, l)
					if !ok {
						continue
					}
					answer, ok := findAnswer(t, s.Lines[i+1:], l, join)
					if !ok {
						continue // the recording ends before
					}
					joins++
					checkJoin(t, s.Name, join, answer, ids, used)
				}
			})
		}
	}
	if joins < 780 {
		t.Errorf("%d joins compared; the transcripts have more", joins)
	}
	for i, d := range joinDeviations {
		if !used[i] {
			t.Errorf("deviation %q was not met", d.section)
		}
	}
}

// readJoin reads a line that is a join in text.
func readJoin(t *testing.T, l transcript.Line) (Message, bool) {
	data, isBinary, ok := l.Message()
	if !ok || l.Dir != ">" || isBinary {
		return Message{}, false
	}
	m, err := versionOf(t, l).Decode(data, false)
	return m, err == nil && m.Event == EventJoin && m.OddTopic == nil
}

// joinAnswer is what upstream said to a join.
type joinAnswer struct {
	Status   string
	Response json.RawMessage
	invalid  string // what a system event then said about its bindings' parameters
}

func findAnswer(t *testing.T, lines []transcript.Line, join transcript.Line, m Message) (a joinAnswer, found bool) {
	for _, l := range lines {
		data, isBinary, ok := l.Message()
		if !ok || isBinary || l.Conn != join.Conn || !json.Valid(data) {
			continue
		}
		if l.Dir == ">" {
			if found && strings.Contains(string(data), `"`+EventJoin+`"`) {
				return a, found
			}
			continue
		}
		r := readRecorded(t, versionOf(t, join), data)
		if topic, _ := value(r.Topic).text(); topic != m.Topic {
			continue
		}
		switch {
		case !found && r.Event == EventReply && string(value(r.Ref).refBytes()) == string(m.Ref):
			unmarshal(t, r.Payload, &a)
			found = true
		case found && r.Event == EventSystem && a.invalid == "":
			a.invalid = aboutParameters(t, r.Payload)
		}
	}
	return a, found
}

// aboutParameters is the message of a system event if it is one of those that
// come from the parameters alone, without filter and database.
func aboutParameters(t *testing.T, payload []byte) string {
	var p struct{ Message string }
	unmarshal(t, payload, &p)
	for _, text := range []string{errorNoParams, errorSelectString, errorSelectWildcard} {
		if strings.HasPrefix(p.Message, text) {
			return p.Message
		}
	}
	return ""
}

func checkJoin(t *testing.T, section string, m Message, a joinAnswer, ids *transcript.Matcher, used map[int]bool) {
	t.Helper()
	var refused struct{ Reason string }
	_ = json.Unmarshal(a.Response, &refused) // has no reason when it is ok
	want := joinDeviation{reason: refused.Reason, invalid: a.invalid, echo: numbered(a.Response)}
	for _, other := range reasonsOfOthers {
		if strings.HasPrefix(refused.Reason, other) {
			want.reason, want.echo = "", ""
		}
	}
	for i, d := range joinDeviations {
		if strings.HasPrefix(section, d.section) && strings.Contains(string(m.Payload), d.payload) {
			if d.echo == "" && d.reason == "" {
				d.echo = want.echo
			}
			want, used[i] = d, true
			break
		}
	}
	j, err := ParseJoin(strings.TrimPrefix(m.Topic, TopicPrefix), m.Payload)
	if err != nil || want.reason != "" {
		if err == nil || err.Error() != want.reason {
			t.Errorf("ParseJoin(%.300s) = %v; want %q", m.Payload, err, want.reason)
		}
		return
	}
	if got := firstInvalid(j); got != want.invalid {
		t.Errorf("ParseJoin(%.300s) has a binding with error %q; want %q", m.Payload, got, want.invalid)
	}
	if want.echo == "" {
		return
	}
	if err := ids.Match(json.RawMessage(want.echo), j.Response("", "")); err != nil {
		t.Errorf("Response to %.300s:\nrecorded %s\ngot      %s\n%v", m.Payload, want.echo, j.Response("", ""), err)
	}
}

func firstInvalid(j *Join) string {
	for _, b := range j.Bindings {
		if b.Err != "" {
			return b.Err
		}
	}
	return ""
}

var trueID = regexp.MustCompile(`"id":(\d+)`)

// numbered makes a placeholder of each id: those in 03 are true ones.
func numbered(response []byte) string {
	return trueID.ReplaceAllString(string(response), `"id":"<id-$1>"`)
}
