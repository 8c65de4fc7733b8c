package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"walcast/internal/await"
	"walcast/internal/devdb"
)

// process is a walcast that runs as a program of its own.
type process struct {
	cmd      *exec.Cmd
	out, err *await.Output
	ended    chan error
}

// build makes the binary once more: signals and exit codes need a program.
func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "walcast")
	cmd := exec.Command("go", "build", "-ldflags", "-X main.version=v1.2.3", "-o", path, ".")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, text)
	}
	return path
}

func startProcess(t *testing.T, path string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(path, args...), out: await.NewOutput(), err: await.NewOutput(), ended: make(chan error, 1)}
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.err
	p.cmd.Env = append(p.cmd.Environ(), "STATE_DIRECTORY="+t.TempDir())
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.ended <- p.cmd.Wait()
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-done
		if t.Failed() {
			t.Logf("output:\n%s\nlog:\n%s", p.out, p.err)
		}
	})
	return p
}

// address waits for the ready line and returns the address in it.
func (p *process) address(t *testing.T, ctx context.Context) string {
	t.Helper()
	line := p.out.Text(ctx, t, "walcast ready")
	found := regexp.MustCompile(`address=(\S+)`).FindStringSubmatch(line)
	if found == nil {
		t.Fatalf("ready line %q has no address", line)
	}
	return found[1]
}

// exit waits for the end and returns the exit code.
func (p *process) exit(t *testing.T, ctx context.Context) int {
	t.Helper()
	select {
	case err := <-p.ended:
		var code *exec.ExitError
		if err != nil && !errors.As(err, &code) {
			t.Fatal(err)
		}
		return p.cmd.ProcessState.ExitCode()
	case <-ctx.Done():
		t.Fatal("the program does not end")
		return 0
	}
}

// dial opens a client's WebSocket with an anon token.
func dial(t *testing.T, ctx context.Context, address string) *websocket.Conn {
	t.Helper()
	token, err := mint(testSecret, map[string]any{"role": "anon", "exp": time.Now().Add(time.Hour).Unix()})
	if err != nil {
		t.Fatal(err)
	}
	socket, _, err := websocket.DefaultDialer.DialContext(ctx, "ws://"+address+"/socket/websocket?vsn=1.0.0&apikey="+token, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	return socket
}

// served is a database with a publication, and the flags to serve it.
func served(t *testing.T) (db *devdb.DB, flags []string) {
	t.Helper()
	db = devdb.Open(t)
	devdb.SupabaseRoles(db)
	db.Exec(demoSchema)
	return db, []string{"serve", "--listen=127.0.0.1:0", "--database-url=" + db.DSN, "--jwt-secret=" + testSecret, "--slot=" + db.Name}
}

func TestServeIsReadyThenDrainsOnSIGTERM(t *testing.T) {
	cleared(t)
	path := build(t) // takes its time on a machine that never built it
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	db, flags := served(t)
	p := startProcess(t, path, flags...)
	address := p.address(t, ctx)
	if out := p.out.String(); strings.Count(out, "\n") != 1 || !strings.Contains(out, "/"+db.Name) ||
		!strings.Contains(out, "slot="+db.Name) || !strings.Contains(out, "publication=supabase_realtime") {
		t.Errorf("ready line %q; want one with database, slot and publication", out)
	}
	wantReady(t, ctx, address)

	socket := dial(t, ctx, address)
	asked := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_, _, err := socket.ReadMessage()
	if !websocket.IsCloseError(err, websocket.CloseServiceRestart) {
		t.Errorf("the client sees %v; want close code 1012", err)
	}
	if code := p.exit(t, ctx); code != 0 {
		t.Errorf("exit code %d after SIGTERM; want 0", code)
	}
	if took := time.Since(asked); took > 10*time.Second {
		t.Errorf("the stop took %s; want 10s at most", took)
	}
	if strings.Contains(p.err.String(), testSecret) || strings.Contains(p.out.String(), testSecret) {
		t.Error("the secret is printed")
	}
}

func wantReady(t *testing.T, ctx context.Context, address string) {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/readyz", nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var body map[string]any
	err = json.NewDecoder(response.Body).Decode(&body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("/readyz = %d, %v, %v; want 200 with JSON", response.StatusCode, body, err)
	}
}

func TestASecondSignalExitsAtOnce(t *testing.T) {
	cleared(t)
	path := build(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, flags := served(t)
	p := startProcess(t, path, flags...)
	dial(t, ctx, p.address(t, ctx)) // never answers the close frame, so the drain waits
	for _, wait := range []string{"stopping", ""} {
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		p.err.Text(ctx, t, wait)
	}
	if code := p.exit(t, ctx); code != exitSignals {
		t.Errorf("exit code %d after a second signal; want %d", code, exitSignals)
	}
}

func TestReadyLineIsJSONWhenTheLogIs(t *testing.T) {
	cleared(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	db, flags := served(t)
	o, e := await.NewOutput(), await.NewOutput()
	code := make(chan int, 1)
	serving, stop := context.WithCancel(ctx)
	go func() { code <- run(serving, append(flags, "--log-format=json"), terminal{out: o, err: e}) }()
	line := o.Text(ctx, t, "walcast ready")
	stop()
	if got := <-code; got != 0 {
		t.Errorf("exit code %d; the log is:\n%s", got, e)
	}
	var facts struct{ Msg, Address, Database, Slot, Publication string }
	if err := json.Unmarshal([]byte(line), &facts); err != nil {
		t.Fatalf("ready line %q: %v", line, err)
	}
	if facts.Msg != "walcast ready" || facts.Address == "" || facts.Database == "" || facts.Slot != db.Name || facts.Publication != "supabase_realtime" {
		t.Errorf("ready line %q lacks a fact", line)
	}
}

func TestInsecureNoAuthIsLoud(t *testing.T) {
	cleared(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	db := devdb.Open(t)
	devdb.SupabaseRoles(db)
	db.Exec(demoSchema)
	o, e := await.NewOutput(), await.NewOutput()
	code := make(chan int, 1)
	serving, stop := context.WithCancel(ctx)
	args := []string{"serve", "--listen=127.0.0.1:0", "--database-url=" + db.DSN, "--insecure-no-auth", "--slot=" + db.Name}
	go func() { code <- run(serving, args, terminal{out: o, err: e}) }()
	o.Text(ctx, t, "walcast ready")
	stop()
	if got := <-code; got != 0 || !strings.Contains(e.String(), "INSECURE") {
		t.Errorf("exit code %d, log:\n%s\nwant a warning that says INSECURE", got, e)
	}
}

func TestVersionIsStamped(t *testing.T) {
	text, err := exec.Command(build(t), "version").Output()
	if err != nil || !strings.HasPrefix(string(text), "walcast v1.2.3 (go1.") {
		t.Errorf("version prints %q, %v", text, err)
	}
}
