package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/jackc/pgx/v5/pgconn"

	"walcast/internal/transcript"
	"walcast/protocol"
)

// player plays one section: it does what the clients and the database did, and
// wants what they got.
type player struct {
	*testing.T
	stage      *stage
	section    transcript.Section
	tokens     []transcript.Token
	deviations []deviation
	used       func(int)
	inTime     bool // actions wait until the time they were recorded at
	causal     bool // see causesFirst

	made     map[string]string   // tokens, by name
	sockets  map[string]*socket  // as they are called in the section
	wanted   map[string][]want   // of each socket, not yet compared
	late     map[string][]string // what comes at the end
	matcher  *transcript.Matcher
	silent   silentJoins
	joining  map[conversation]bool // joins that were sent
	sessions map[string]execer     // of the database, by name
	wrote    bool                  // the last action was a statement
}

// want is a recorded frame.
type want struct {
	text string
	lane lane
}

const (
	// askPause is how long Postgres may be asked about the rows of a statement
	// that nobody hears of, before something else happens.
	askPause = 100 * time.Millisecond
	// quiet is how long nothing must come after the end.
	quiet = 200 * time.Millisecond
)

func (p *player) play() {
	p.made, p.sockets, p.wanted = map[string]string{}, map[string]*socket{}, map[string][]want{}
	p.late = map[string][]string{}
	p.matcher, p.silent, p.sessions = transcript.NewMatcher(), silentJoins{}, map[string]execer{}
	p.joining = map[conversation]bool{}
	if p.inTime { // tokens count in whole seconds: start with one
		<-time.After(time.Until(time.Now().Truncate(time.Second).Add(time.Second)))
	}
	started := time.Now()
	lines := p.section.Lines
	if p.causal {
		lines = causesFirst(lines)
	}
	for i, l := range lines {
		p.catchUp(l)
		switch l.Dir {
		case "<":
			p.expect(l)
		case "close":
			p.ending(l)
		case "note":
			if strings.Contains(string(l.Frame), "server is told to stop") {
				p.awaitRecorded()
				p.stage.stop()
			}
		case "open", ">", "sql", "http":
			p.awaitRecorded()
			p.pause(started, l)
			p.act(l, lines[i+1:])
		}
	}
	for conn, texts := range p.late {
		for _, text := range texts {
			p.want(conn, text)
		}
	}
	p.awaitRecorded()
	p.wantSilence()
}

// unrecorded are statements of the recorder that are not in the recordings.
var unrecorded = []struct{ section, before, statement string }{
	{
		"transaction of many statements, two tables", `"as replica"`,
		"begin; set local session_replication_role = replica; insert into tr_tx values (2000, 'as replica'); commit",
	},
	{"a write and a change of columns right after it, before the next poll", `"url"`, "alter table tr_alter rename column w to v"},
}

// catchUp runs what was not recorded before a line.
func (p *player) catchUp(l transcript.Line) {
	for _, u := range unrecorded {
		if u.section == p.section.Name && strings.Contains(string(l.Frame), u.before) {
			p.awaitRecorded()
			p.stage.db.Exec(u.statement)
		}
	}
}

func (p *player) act(l transcript.Line, rest []transcript.Line) {
	p.wrote = l.Dir == "sql"
	switch l.Dir {
	case "open":
		p.open(l, rest)
	case ">":
		p.send(l)
	case "http":
		p.request(l)
	case "sql":
		p.awaitReplies(rest)
		p.execute(l, rest)
	}
}

// awaitReplies waits for the replies to joins under way. Only what commits after
// the reply is promised; upstream polls, and shows what came a little earlier.
func (p *player) awaitReplies(rest []transcript.Line) {
	for _, l := range rest {
		m, ok := messageOf(l.Frame)
		if l.Dir != "<" || !ok || m.Event != protocol.EventReply || !p.joining[conversation{l.Conn, string(m.Topic), string(m.Ref)}] {
			continue
		}
		if !p.sockets[l.Conn].holds(parse(l.Frame, p.grouped()).lane, patience) {
			p.Fatalf("%s: no reply came to the join %s of %s", l.Conn, m.Ref, m.Topic)
		}
	}
}

// conversation is one message of a socket and its reply.
type conversation struct{ conn, topic, ref string }

// pause lets rows that nobody should get pass by, and keeps the recorded time
// where it matters.
func (p *player) pause(started time.Time, l transcript.Line) {
	var wait time.Duration
	if p.wrote {
		p.stage.markers.pass(p.T)
		wait = askPause
	}
	if p.inTime {
		wait = time.Until(started.Add(time.Duration(l.T) * time.Millisecond))
	}
	<-time.After(wait)
}

// fill puts tokens in the place of their names, made when first used.
func (p *player) fill(text string) string {
	for _, t := range p.tokens {
		if !strings.Contains(text, t.Name) {
			continue
		}
		if p.made[t.Name] == "" {
			made, err := t.Make(secret, time.Now())
			if err != nil {
				p.Fatal(err)
			}
			p.made[t.Name] = made
		}
		text = strings.ReplaceAll(text, t.Name, p.made[t.Name])
	}
	return since.ReplaceAllStringFunc(text, func(recorded string) string {
		at, _ := strconv.ParseInt(strings.TrimPrefix(recorded, `"since":`), 10, 64) // digits
		if at < recordedAt-dayMillis || at > recordedAt+dayMillis {
			return recorded // no time of the recording's
		}
		return fmt.Sprintf(`"since":%d`, time.Now().UnixMilli()+at-recordedAt)
	})
}

// since is a time from which on a join wants a replay, in milliseconds. Those of
// the recording are relative to when it was made.
var since = regexp.MustCompile(`"since":\d{13}\b`)

const (
	recordedAt = 1_795_425_666_156
	dayMillis  = 24 * 60 * 60 * 1000
)

func (p *player) open(l transcript.Line, rest []transcript.Line) {
	var handshake struct {
		URL     string
		Headers map[string]string
	}
	if err := json.Unmarshal([]byte(p.fill(string(l.Frame))), &handshake); err != nil {
		p.Fatal(err)
	}
	path, query, _ := strings.Cut(handshake.URL, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		p.Fatalf("query of %q: %v", handshake.URL, err)
	}
	header := http.Header{}
	for name, value := range handshake.Headers {
		header.Set(name, value)
	}
	target := p.stage.addr + path + "?" + values.Encode()
	if answer, refused := refusedHandshake(l.Conn, rest); refused {
		p.wantRefused("http://"+target, header, answer)
		return
	}
	d := websocket.Dialer{}
	if p.inFragments() {
		d.WriteBufferSize = 10 // a full buffer is sent as a fragment
	}
	p.sockets[l.Conn] = dial(p.T, &d, "ws://"+target, header, listener{silent: strings.HasPrefix(p.section.Name, "silent socket"), groups: p.grouped()})
}

// grouped says whether the section is about frames for one change whose order
// is not the same in all recordings.
func (p *player) grouped() bool { return strings.HasPrefix(p.section.Name, "select:") }

func (p *player) inFragments() bool {
	for _, l := range p.section.Lines {
		if bytes.HasPrefix(l.Frame, []byte(`{"fragments":`)) {
			return true
		}
	}
	return false
}

func (p *player) send(l transcript.Line) {
	data, binary, ok := l.Message()
	var special struct {
		Hex *string `json:"binary_hex"`
	}
	_ = json.Unmarshal(l.Frame, &special) // most frames are not
	switch {
	case ok && !binary:
		data = []byte(p.fill(string(data)))
	case !ok && special.Hex != nil:
		var err error
		if data, err = binaryInFull(*special.Hex); err != nil {
			p.Fatal(err)
		}
		binary = true
	case !ok && strings.Contains(string(l.Frame), `{"elided":`):
		data = p.elided(l)
	case !ok:
		data = []byte(p.fill(inFull(string(l.Frame))))
	}
	kind := websocket.TextMessage
	if binary {
		kind = websocket.BinaryMessage
	}
	if m, ok := messageOf(l.Frame); ok && m.Event == protocol.EventJoin {
		p.silent.sent(l, m)
		p.joining[conversation{l.Conn, string(m.Topic), string(m.Ref)}] = true
	}
	for _, text := range expected(p.deviations, p.section.Name, l, func(i int) { p.met(l.Conn, i) })[1:] {
		p.want(l.Conn, text)
	}
	s := p.sockets[l.Conn]
	// A server that has had enough may close before it has read everything.
	if err := s.conn.WriteMessage(kind, data); err != nil && len(data) < 5_000_000 {
		p.Fatalf("%s: send %.200s: %v", l.Conn, data, err)
	}
}

// execute runs a statement, which may fail where the recorded one did.
func (p *player) execute(l transcript.Line, rest []transcript.Line) {
	var statement string
	if err := json.Unmarshal(l.Frame, &statement); err != nil {
		p.Fatal(err)
	}
	_, err := p.session(&statement).Exec(p.Context(), statement)
	failed := len(rest) > 0 && rest[0].Dir == "sql_error"
	if here := expected(p.deviations, p.section.Name, l, p.used); len(here) == 1 && here[0] == fails {
		failed = true
	}
	if (err != nil) != failed {
		p.Fatalf("%s: error %v; recorded to fail: %t", statement, err, failed)
	}
}

type execer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// session is the connection that runs a statement: one of its own for a
// statement that starts with a name of one letter.
func (p *player) session(statement *string) execer {
	name, rest, ok := strings.Cut(*statement, ": ")
	if !ok || len(name) != 1 {
		return p.stage.db.Pool
	}
	*statement = rest
	if p.sessions[name] == nil {
		conn, err := p.stage.db.Pool.Acquire(p.Context())
		if err != nil {
			p.Fatal(err)
		}
		p.Cleanup(conn.Release)
		p.sessions[name] = conn
	}
	return p.sessions[name]
}
