package server

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"

	"walcast/internal/devdb"
)

// transcriptSQL is what the recorded scenes find in the database, after
// "walcast migrate".
const transcriptSQL = `
	create publication supabase_realtime;
	create table tr_todo (id int primary key, title text);
	grant all on tr_todo to anon, authenticated, service_role;
	alter publication supabase_realtime add table tr_todo;
	create function tr_boom() returns boolean language plpgsql as $$ begin raise exception 'policy goes boom'; end $$;`

const transcriptPolicies = `
	create table tr_bc (id int primary key, v text, j jsonb);
	create function tr_bc_fn() returns trigger security definer language plpgsql as $$
		begin perform realtime.broadcast_changes('tr-bc-priv', tg_op, tg_op, tg_table_name, tg_table_schema, new, old); return null; end $$;
	create trigger bc after insert or update or delete on tr_bc for each row execute function tr_bc_fn();
	create policy tr_read on realtime.messages for select to authenticated using (
		(realtime.topic() like 'pv%' and ((extension = 'broadcast' and realtime.topic() ~ '-br') or (extension = 'presence' and realtime.topic() ~ '-pr')))
		or (realtime.topic() like 'mine-%' and realtime.topic() = 'mine-' || (select auth.uid()::text))
		or (realtime.topic() like 'hdr-%' and coalesce(current_setting('request.headers', true), '') like '%x-room%')
		or (realtime.topic() like 'role-%' and current_setting('request.jwt.claims', true)::jsonb ->> 'level' = '2')
		or (realtime.topic() like 'boomr-%' and tr_boom())
		or realtime.topic() like 'boomw-%' or realtime.topic() like 'tr-bc%');
	create policy tr_write on realtime.messages for insert to authenticated with check (
		(realtime.topic() like 'pv%' and ((extension = 'broadcast' and realtime.topic() ~ '-bw') or (extension = 'presence' and realtime.topic() ~ '-pw')))
		or (realtime.topic() like 'mine-%' and realtime.topic() = 'mine-' || (select auth.uid()::text))
		or (realtime.topic() like 'boomw-%' and tr_boom())
		or realtime.topic() like 'tr-bc%')`

// TestRecordedScenes plays what clients sent to the reference server, and wants
// what it answered, but for the deviations.
func TestRecordedScenes(t *testing.T) {
	db := devdb.Open(t)
	devdb.SupabaseRoles(db)
	db.Exec(transcriptSQL)
	c := configFor(db)
	c.Migrate = true
	c.Channels.PresenceRate.Events = 0
	s := startServer(t, c)
	db.Exec(transcriptPolicies)
	for _, file := range []string{"07-broadcast", "08-broadcast-db", "09-presence", "10-private"} {
		for _, sc := range readScenes(t, "../testdata/transcripts/"+file+".jsonl") {
			t.Run(file+"/"+sc.name, func(t *testing.T) {
				if why := notPlayed(sc.name); why != "" {
					t.Log("not played: " + why)
					return
				}
				t.Parallel()
				p := &player{T: t, server: s, db: db, tokens: sc.tokens, conns: map[string]*recorded{}}
				p.play(sc.lines)
			})
		}
	}
}

// scene is an independent part of a recording.
type scene struct {
	name   string
	tokens map[string]string
	lines  []transcriptLine
}

type transcriptLine struct {
	Section, Token, Conn, Dir string
	Claims                    json.RawMessage
	Header                    struct{ Alg string }
	Frame                     json.RawMessage
	T                         int // milliseconds since the scene's start
	text                      string
}

func readScenes(t *testing.T, path string) (scenes []scene) {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	tokens := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(file))
	lines.Buffer(nil, len(file))
	for lines.Scan() {
		l := transcriptLine{text: lines.Text()}
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatalf("%s: %v in %.100s", path, err, l.text)
		}
		switch {
		case l.Token != "":
			tokens[l.Token] = mint(t, l)
		case l.Section != "":
			scenes = append(scenes, scene{name: l.Section, tokens: tokens})
		default:
			last := &scenes[len(scenes)-1]
			last.lines = append(last.lines, l)
		}
	}
	return scenes
}

var nowPlaceholder = regexp.MustCompile(`"now([+-]\d+)?"`)

// mint makes the token that a line describes, with our secret.
func mint(t *testing.T, l transcriptLine) string {
	t.Helper()
	claims := jwt.MapClaims{}
	filled := nowPlaceholder.ReplaceAllFunc(l.Claims, func(m []byte) []byte {
		var offset int64
		fmt.Sscanf(strings.TrimPrefix(strings.Trim(string(m), `"`), "now"), "%d", &offset)
		return fmt.Append(nil, time.Now().Unix()+offset)
	})
	if err := json.Unmarshal(filled, &claims); err != nil {
		t.Fatal(err)
	}
	key := testSecret
	if strings.Contains(l.text, "signed_with") {
		key = "another secret that is not ours, of 32 characters"
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// player plays one scene.
type player struct {
	*testing.T
	server *running
	db     *devdb.DB
	tokens map[string]string
	conns  map[string]*recorded
}

// recorded is a client of the recording: what it got then and gets now.
type recorded struct {
	conn *websocket.Conn
	want []string
	at   []time.Duration // of each in want, since the scene's start

	mu     sync.Mutex
	got    []string
	closed bool
}

func (p *player) play(lines []transcriptLine) {
	for _, l := range lines {
		if l.Dir == "<" {
			p.expect(l)
			continue
		}
		before := time.Duration(l.T) * time.Millisecond
		if l.Dir != ">" && l.Dir != "open" {
			before -= causal // these are recorded when they are done, after what they caused
		}
		p.settle(before)
		p.step(l)
	}
	p.settle(forEver)
	for name, c := range p.conns {
		if diff := cmp.Diff(sorted(c.want), sorted(c.received())); diff != "" {
			p.Errorf("%s got other frames (-recorded +ours):\n%s", name, diff)
		}
	}
}

const (
	causal  = 100 * time.Millisecond // the recorder's steps are further apart
	forEver = time.Duration(math.MaxInt64)
)

// step does what the client, or the recorder's database connection, did.
func (p *player) step(l transcriptLine) {
	switch l.Dir {
	case "open":
		p.open(l)
	case ">":
		p.send(l)
	case "http":
		p.request(l)
	case "sql":
		var statement string
		p.decode(l.Frame, &statement)
		if strings.Contains(statement, "tt ") || strings.Contains(statement, "pg_temp") {
			return // errors of SQL functions are tried in migrations
		}
		if _, err := p.db.Pool.Exec(p.Context(), statement); err != nil {
			p.Logf("%s: %v", statement, err) // upstream warns (decision 33)
		}
		p.drain()
	case "close":
		p.close(l)
	}
}

// drain returns when everything that was committed has been relayed.
func (p *player) drain() {
	topic := fmt.Sprintf("drain-%p-%d", p, len(p.conns))
	c := p.server.dial(p.T, "2.0.0")
	c.send("1", "realtime:"+topic, "phx_join", `{"config":{}}`)
	c.next("phx_reply")
	content := fmt.Sprintf(`{"topic":%q,"event":"drained","payload":{},"private":false}`, topic)
	if _, err := p.db.Pool.Exec(p.Context(), "select pg_logical_emit_message(true, 'walcast.broadcast', $1::text)", content); err != nil {
		p.Fatal(err)
	}
	c.conn.SetReadDeadline(time.Now().Add(patience))
	for {
		kind, _, err := c.conn.ReadMessage()
		if err != nil {
			p.Fatalf("waiting until messages are relayed: %v", err)
		}
		if kind == websocket.BinaryMessage {
			return
		}
	}
}

// close ends a connection as its client did: by a close frame or without.
func (p *player) close(l transcriptLine) {
	var end struct {
		Code        int
		By          string
		ClientError string `json:"client_error"`
	}
	p.decode(l.Frame, &end)
	c := p.conns[l.Conn]
	switch {
	case end.By != "client", end.ClientError != "":
	case end.Code == websocket.CloseNormalClosure:
		frame := websocket.FormatCloseMessage(end.Code, "")
		if err := c.conn.WriteControl(websocket.CloseMessage, frame, time.Now().Add(patience)); err != nil {
			p.Fatal(err)
		}
	default:
		c.conn.Close()
	}
}

func (p *player) decode(raw []byte, to any) {
	p.Helper()
	if err := json.Unmarshal(raw, to); err != nil {
		p.Fatalf("decode %.200s: %v", raw, err)
	}
}

// fill puts tokens and times in the place of the recording's.
func (p *player) fill(text string) string {
	for name, token := range p.tokens {
		text = strings.ReplaceAll(text, name, token)
	}
	return since.ReplaceAllStringFunc(text, func(m string) string {
		var recordedAt int64
		fmt.Sscanf(m, `"since":%d`, &recordedAt)
		// The recording was made at this time, and asked for the hour before it
		// or after.
		const start = 1_795_425_666_156
		if recordedAt < 1_700_000_000_000 || recordedAt > 1_900_000_000_000 {
			return m
		}
		return fmt.Sprintf(`"since":%d`, time.Now().UnixMilli()+recordedAt-start)
	})
}

var since = regexp.MustCompile(`"since":\d{13}\b`)

func (p *player) open(l transcriptLine) {
	var open struct {
		URL     string
		Headers map[string]string
	}
	p.decode(l.Frame, &open)
	header := http.Header{}
	for name, value := range open.Headers {
		header.Set(name, p.fill(value))
	}
	conn, _, err := websocket.DefaultDialer.Dial("ws://"+p.server.Addr()+p.fill(open.URL), header)
	if err != nil {
		p.Fatal(err)
	}
	c := &recorded{conn: conn}
	p.conns[l.Conn] = c
	ended := make(chan struct{})
	p.Cleanup(func() {
		conn.Close()
		<-ended
	})
	go func() {
		defer close(ended)
		c.read()
	}()
}

func (c *recorded) read() {
	for {
		kind, data, err := c.conn.ReadMessage()
		c.mu.Lock()
		if err != nil {
			c.closed = true
			c.mu.Unlock()
			return
		}
		if kind == websocket.BinaryMessage {
			data = describe(data)
		}
		c.got = append(c.got, normal(data))
		c.mu.Unlock()
	}
}

func (c *recorded) received() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.got)
}

// describe reads a binary frame as the recorder does.
func describe(data []byte) []byte {
	frame := map[string]any{"kind": data[0]}
	var names []string
	rest := data[1:]
	switch data[0] {
	case 2:
		names = []string{"topic", "event"}
	case 4:
		names = []string{"topic", "user_event", "metadata"}
		frame["encoding"] = data[4]
	}
	lengths := rest[:len(names)]
	rest = rest[len(names):]
	if data[0] == 4 {
		rest = rest[1:]
	}
	for i, name := range names {
		frame[name] = string(rest[:lengths[i]])
		rest = rest[lengths[i]:]
	}
	frame["payload"] = hex.EncodeToString(rest)
	encoded, _ := json.Marshal(frame)
	return encoded
}

// expect notes a frame that the recorded client got.
func (p *player) expect(l transcriptLine) {
	c := p.conns[l.Conn]
	frame := l.Frame
	if instead, ok := deviationOf(l); ok {
		frame = json.RawMessage(instead)
	}
	if len(frame) == 0 {
		return
	}
	var binary struct {
		Hex     string  `json:"binary_hex"`
		Raw     *string `json:"text_raw"`
		Decoded json.RawMessage
	}
	if frame[0] == '{' {
		p.decode(frame, &binary)
	}
	switch {
	case binary.Raw != nil:
		return // not JSON: a 1.0.0 client could not read it, and does not get it here
	case binary.Hex != "":
		id := `00000000-0000-4000-9000-000000000000`
		data, err := hex.DecodeString(hexUUID.ReplaceAllString(binary.Hex, hex.EncodeToString([]byte(id))))
		if err != nil {
			p.Fatalf("binary frame %.100s: %v", binary.Hex, err)
		}
		frame = describe(data)
	}
	c.await(time.Duration(l.T)*time.Millisecond, frame)
}

// await notes a frame that comes at a time.
func (c *recorded) await(at time.Duration, frame []byte) {
	c.want, c.at = append(c.want, normal(frame)), append(c.at, at)
}

var (
	hexUUID   = regexp.MustCompile(`<hex of uuid-\d+>`)
	uuids     = regexp.MustCompile(`<uuid-\d+>|[0-9a-f]{8}-[0-9a-f]{4}-[1-9][0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`)
	position  = regexp.MustCompile(`"position":"[^"]*",`)
	phxRef    = regexp.MustCompile(`"phx_ref(_prev)?":"[^"]*"`)
	bindingID = regexp.MustCompile(`"id":("<id-\d+>"|<id-\d+>|\d{4,})`)
	uuidInHex = regexp.MustCompile(`((3[0-9]|6[1-6]){8}2d)((3[0-9]|6[1-6]){4}2d){3}(3[0-9]|6[1-6]){12}`)
)

// ourUUIDs is how those begin that the recordings keep.
const ourUUIDs = `00000000-0000-4000-8000-`

// normal writes a frame so that equal ones are equal text.
func normal(frame []byte) string {
	// Before keys are sorted: some are UUIDs.
	frame = uuids.ReplaceAllFunc(frame, func(m []byte) []byte {
		if bytes.HasPrefix(m, []byte(ourUUIDs)) {
			return m
		}
		return []byte("<uuid>")
	})
	var v any
	if err := json.Unmarshal(frame, &v); err != nil {
		return string(frame)
	}
	var encoded strings.Builder
	e := json.NewEncoder(&encoded)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // it came from JSON
	text := phxRef.ReplaceAllString(strings.TrimSpace(encoded.String()), `"phx_ref$1":"<ref>"`)
	text = position.ReplaceAllString(text, "") // ours, for resuming
	text = uuidInHex.ReplaceAllString(text, "<uuid>")
	return bindingID.ReplaceAllString(text, `"id":"<id>"`)
}

func (p *player) send(l transcriptLine) {
	c := p.conns[l.Conn]
	kind, data := websocket.TextMessage, []byte(p.fill(string(l.Frame)))
	var odd struct {
		Hex string  `json:"binary_hex"`
		Raw *string `json:"text_raw"`
	}
	if data[0] == '{' {
		p.decode(data, &odd)
	}
	switch {
	case odd.Hex != "":
		var err error
		if data, err = hex.DecodeString(odd.Hex); err != nil {
			p.Fatalf("binary frame %.100s: %v", odd.Hex, err)
		}
		kind = websocket.BinaryMessage
	case odd.Raw != nil:
		data = []byte(*odd.Raw)
	default:
		data = withoutPresence(data)
	}
	if answer, ok := deviationOf(l); ok { // the reference says nothing
		c.await(time.Duration(l.T)*time.Millisecond, []byte(answer))
	}
	if err := c.conn.WriteMessage(kind, data); err != nil {
		p.Fatalf("%s: send: %v", l.Conn, err)
	}
}

// withoutPresence says in a join that presence is not enabled where it says
// nothing of it: without that presence_state comes (decision 25).
func withoutPresence(frame []byte) []byte {
	if !bytes.Contains(frame, []byte(`"phx_join"`)) || bytes.Contains(frame, []byte(`"presence"`)) {
		return frame
	}
	frame = bytes.Replace(frame, []byte(`"config":{}`), []byte(`"config":{"broadcast":{}}`), 1)
	return bytes.Replace(frame, []byte(`"config":{`), []byte(`"config":{"presence":{"enabled":false},`), 1)
}

// request repeats an HTTP request and compares the answer.
func (p *player) request(l transcriptLine) {
	var e struct {
		Request struct {
			Method, Path string
			Headers      map[string]string
			Body         json.RawMessage
		}
		Status int
		Body   json.RawMessage
	}
	p.decode([]byte(p.fill(string(l.Frame))), &e)
	e.Request.Path = strings.ReplaceAll(e.Request.Path, "a b/cü", "a%20b%2Fc%C3%BC") // recorded as decoded
	want := fmt.Sprintf("%d %s", e.Status, normal(e.Body))
	if instead, ok := deviationOf(l); ok {
		if want = instead; want == "" {
			return
		}
	}
	if strings.Contains(string(e.Request.Body), "<elided") {
		return
	}
	var body io.Reader
	var odd struct {
		Hex *string `json:"binary_hex"`
		Raw *string `json:"text_raw"`
	}
	_ = json.Unmarshal(e.Request.Body, &odd) // most bodies are neither
	switch {
	case odd.Hex != nil:
		data, _ := hex.DecodeString(*odd.Hex)
		body = bytes.NewReader(data)
	case odd.Raw != nil:
		body = strings.NewReader(*odd.Raw)
	case e.Request.Body != nil:
		body = bytes.NewReader(e.Request.Body)
	}
	r, err := http.NewRequestWithContext(p.Context(), e.Request.Method, "http://"+p.server.Addr()+e.Request.Path, body)
	if err != nil {
		p.Fatal(err)
	}
	for name, value := range e.Request.Headers {
		r.Header.Set(name, value)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answered, err := client.Do(r)
	if err != nil {
		p.Fatal(err)
	}
	defer answered.Body.Close()
	data, err := io.ReadAll(answered.Body)
	if err != nil {
		p.Fatal(err)
	}
	text := normal(data)
	if len(data) == 0 {
		text = `""`
	}
	got := fmt.Sprintf("%d %s", answered.StatusCode, text)
	if strings.HasPrefix(string(e.Body), `"`) || !strings.Contains(want, " ") { // of a text only the status is upstream's promise
		got, want = got[:3], want[:3]
	}
	if got != want {
		p.Errorf("%s %s %.200s\n got %.300s\nwant %.300s", e.Request.Method, e.Request.Path, e.Request.Body, got, want)
	}
}

// settle waits until every client has got what it got in the recording before a
// time. Replies have always come.
func (p *player) settle(before time.Duration) {
	p.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for name, c := range p.conns {
		for {
			missing := c.missing(before)
			if missing == "" {
				break
			}
			if time.Now().After(deadline) {
				p.Fatalf("%s: waited for %.400s\ngot\n%.3000s", name, missing, strings.Join(c.received(), "\n"))
			}
			<-tick.C
		}
	}
}

// missing is a frame that was recorded and has not come, or "".
func (c *recorded) missing(before time.Duration) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ""
	}
	have := map[string]int{}
	for _, f := range c.got {
		have[f]++
	}
	for i, f := range c.want {
		if have[f]--; have[f] < 0 && (c.at[i] <= before || strings.Contains(f, "phx_reply")) {
			return f
		}
	}
	return ""
}

func sorted(frames []string) []string {
	frames = slices.Clone(frames)
	slices.Sort(frames)
	return frames
}
