package main

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"walcast/internal/await"
)

// tailing is a tail in this process.
type tailing struct {
	out, err *await.Output
	stop     context.CancelFunc
	code     chan int
}

func startTail(ctx context.Context, address string, args ...string) *tailing {
	ctx, stop := context.WithCancel(ctx)
	r := &tailing{out: await.NewOutput(), err: await.NewOutput(), stop: stop, code: make(chan int, 1)}
	go func() {
		args := append([]string{"tail", "--url=http://" + address, "--jwt-secret=" + testSecret}, args...)
		r.code <- run(ctx, args, terminal{out: r.out, err: r.err})
	}()
	return r
}

// end interrupts it and returns what it has printed of where it was.
func (r *tailing) end(t *testing.T) (resume string) {
	t.Helper()
	r.stop()
	if code := <-r.code; code != 0 {
		t.Errorf("tail exits %d after an interrupt; it said:\n%s", code, r.err)
	}
	if found := regexp.MustCompile(`--resume (\S+)\n`).FindStringSubmatch(r.err.String()); found != nil {
		return found[1]
	}
	return ""
}

// printedRows are the objects that were printed, without what differs from run to run.
func (r *tailing) printedRows(t *testing.T) (rows []string) {
	t.Helper()
	for line := range strings.Lines(r.out.String()) {
		var printed struct {
			Event, Position, History string
			Payload                  struct {
				Data struct {
					Type   string
					Record struct{ Body string } `json:"record"`
				}
			}
		}
		if err := json.Unmarshal([]byte(line), &printed); err != nil {
			t.Fatalf("tail printed %q: %v", line, err)
		}
		if printed.Event != "postgres_changes" {
			continue
		}
		if printed.Position == "" || printed.History == "" {
			t.Errorf("tail printed %s; want a position and its history", line)
		}
		rows = append(rows, printed.Payload.Data.Type+" "+printed.Payload.Data.Record.Body)
	}
	return rows
}

// startServe serves in this process; end stops it.
func startServe(t *testing.T, ctx context.Context, flags []string) (address string, end func()) {
	t.Helper()
	ctx, stop := context.WithCancel(ctx)
	out, log, code := await.NewOutput(), await.NewOutput(), make(chan int, 1)
	go func() { code <- run(ctx, flags, terminal{out: out, err: log}) }()
	line := out.Text(ctx, t, "walcast ready")
	return regexp.MustCompile(`address=(\S+)`).FindStringSubmatch(line)[1], func() {
		stop()
		if code := <-code; code != 0 {
			t.Errorf("serve exits %d; its log is:\n%s", code, log)
		}
	}
}

func TestTailPrintsRowsAndGoesOnWhereItWas(t *testing.T) {
	cleared(t)
	path := build(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	db, flags := served(t)
	server := startProcess(t, path, flags...)
	address := server.address(t, ctx)
	flags[1] = "--listen=" + address

	r := startTail(ctx, address, "--table=messages", "--filter=channel_id=eq.42")
	r.err.Text(ctx, t, "walcast: joined: what comes after ")
	db.Exec(`insert into messages (channel_id, body) values (42, 'one'), (7, 'for others')`)
	r.out.Text(ctx, t, `"one"`)

	if err := server.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	server.exit(t, ctx)
	r.err.Text(ctx, t, "again in ")
	db.Exec(`insert into messages (channel_id, body) values (42, 'while the server is away')`)
	startProcess(t, path, flags...).address(t, ctx)
	r.out.Text(ctx, t, "while the server is away")
	db.Exec(`update messages set body = 'two' where body = 'one'`)
	r.out.Text(ctx, t, `"two"`)
	from := r.end(t)

	db.Exec(`insert into messages (channel_id, body) values (42, 'while tail is away')`)
	next := startTail(ctx, address, "--table=public.messages", "--filter=channel_id=eq.42", "--resume="+from)
	next.out.Text(ctx, t, "while tail is away")
	db.Exec(`delete from messages where channel_id = 42 and body = 'two'`)
	next.out.Text(ctx, t, `"DELETE"`)
	next.end(t)

	want := []string{"INSERT one", "INSERT while the server is away", "UPDATE two", "INSERT while tail is away", "DELETE "}
	if got := append(r.printedRows(t), next.printedRows(t)...); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("tail printed %q; want %q", got, want)
	}
	if strings.Contains(r.err.String()+next.err.String(), "eyJ") {
		t.Errorf("tail prints its token:\n%s%s", r.err, next.err)
	}
}

func TestTailBeginsWithTheRowsThatThereAre(t *testing.T) {
	cleared(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	db, flags := served(t)
	db.Exec(`insert into messages (channel_id, body) values (42, 'there')`)
	address, end := startServe(t, ctx, flags)
	defer end()
	r := startTail(ctx, address, "--table=messages", "--snapshot")
	r.out.Text(ctx, t, `"there"`)
	r.out.Text(ctx, t, `snapshot_end`)
	db.Exec(`insert into messages (channel_id, body) values (42, 'new')`)
	r.out.Text(ctx, t, `"new"`)
	if from := r.end(t); from == "" {
		t.Errorf("tail does not say where it was:\n%s", r.err)
	}
}

func TestTailPrintsTopics(t *testing.T) {
	cleared(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, flags := served(t)
	address, end := startServe(t, ctx, flags)
	defer end()
	r := startTail(ctx, address, "--topic=room1")
	r.err.Text(ctx, t, "walcast: joined room1")

	token, err := mint(testSecret, map[string]any{"role": "service_role", "exp": time.Now().Add(time.Hour).Unix()})
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/api/broadcast",
		strings.NewReader(`{"messages": [{"topic": "room1", "event": "cursor", "payload": {"x": 1}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	printed := r.out.Text(ctx, t, `"cursor"`)
	if !strings.Contains(printed, `"topic":"room1","event":"broadcast"`) || !strings.Contains(printed, `{"x":1}`) {
		t.Errorf("tail printed:\n%s", printed)
	}

	socket := dial(t, ctx, address)
	for _, frame := range []string{
		`{"topic":"realtime:room1","event":"phx_join","ref":"1","join_ref":"1","payload":{"config":{"presence":{"key":"ann"}}}}`,
		`{"topic":"realtime:room1","event":"presence","ref":"2","join_ref":"1","payload":{"type":"presence","event":"track","payload":{"at":"desk"}}}`,
	} {
		if err := socket.WriteMessage(1, []byte(frame)); err != nil {
			t.Fatal(err)
		}
	}
	r.out.Text(ctx, t, `"desk"`)
	r.end(t)
}

// TestTailSaysWhatIsWrong needs a server, but for the settings that are wrong by themselves.
func TestTailSaysWhatIsWrong(t *testing.T) {
	cleared(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	db, flags := served(t)
	db.Exec(`create table unpublished (id int primary key)`)
	address, end := startServe(t, ctx, flags)
	defer end()
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--table=unpublished"}, exitFailed, `to mend it: ALTER PUBLICATION "supabase_realtime" ADD TABLE "public"."unpublished"`},
		{[]string{"--table=messages", "--filter=nothing=eq.1"}, exitFailed, "nothing"},
		{[]string{"--token=nonsense"}, exitFailed, "answers 401"},
		{[]string{"--url=http://127.0.0.1:1"}, exitFailed, "connect to 127.0.0.1:1"},
		{[]string{"--url=ftp://127.0.0.1"}, exitUsage, "--url: want the URL of the server as http://127.0.0.1:4000, got the scheme"},
		{[]string{"--resume=12"}, exitUsage, `--resume: want a position as 16/B374D848:3, got "12"`},
		{[]string{"--topic=a", "--resume=16/B374D848:3"}, exitUsage, "--resume: is for rows"},
		{[]string{"--filter=id=eq.1", "--table=a", "--table=b"}, exitUsage, "--filter: is for one table"},
		{[]string{"--filter=id=eq.1"}, exitUsage, "not for a whole schema"},
		{[]string{"--table=.a"}, exitUsage, "--table: want SCHEMA.TABLE"},
	} {
		r := startTail(ctx, address, c.args...)
		if code := <-r.code; code != c.code || !strings.Contains(r.err.String(), c.want) {
			t.Errorf("tail %q exits %d and says:\n%swant %d, and %q in it", c.args, code, r.err, c.code, c.want)
		}
		r.stop()
	}
}
