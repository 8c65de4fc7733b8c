package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"walcast/internal/await"
)

// runningDev is a dev command in this process.
type runningDev struct {
	out, err *await.Output
	stop     context.CancelFunc
	code     chan int
}

func startDev(t *testing.T, ctx context.Context, args ...string) *runningDev {
	t.Helper()
	ctx, stop := context.WithCancel(ctx)
	d := &runningDev{out: await.NewOutput(), err: await.NewOutput(), stop: stop, code: make(chan int, 1)}
	go func() {
		d.code <- run(ctx, append([]string{"dev", "--listen=127.0.0.1:0"}, args...), terminal{out: d.out, err: d.err})
	}()
	return d
}

// end stops it and wants a clean exit.
func (d *runningDev) end(t *testing.T) {
	t.Helper()
	d.stop()
	if code := <-d.code; code != 0 {
		t.Errorf("dev exits %d; its log is:\n%s", code, d.err)
	}
}

// printed finds what follows a label in the banner.
func (d *runningDev) printed(t *testing.T, ctx context.Context, pattern string) string {
	t.Helper()
	page := d.out.Text(ctx, t, "Ctrl-C stops everything")
	found := regexp.MustCompile(pattern).FindStringSubmatch(page)
	if found == nil {
		t.Fatalf("the banner has no %s:\n%s", pattern, page)
	}
	return found[1]
}

// psql runs a statement at the URL of the banner's psql line.
func (d *runningDev) psql(t *testing.T, ctx context.Context, sql string) (text string) {
	t.Helper()
	conn, err := pgx.Connect(ctx, d.printed(t, ctx, `psql "([^"]+)"`))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := conn.QueryRow(ctx, sql).Scan(&text); err != nil {
		t.Fatal(err)
	}
	return text
}

func TestDevDemoShowsRowsArriving(t *testing.T) {
	cleared(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	d := startDev(t, ctx, "--demo")
	d.out.Text(ctx, t, `demo: <- INSERT`)
	d.psql(t, ctx, `insert into messages (channel_id, body) values (7, 'for others') returning body`)
	d.psql(t, ctx, `insert into messages (channel_id, body) values (42, 'by hand') returning body`)
	page := d.out.Text(ctx, t, `"by hand"`)
	if strings.Contains(page, "<- INSERT id=2 channel_id=7") || strings.Contains(page, `"for others"  `) {
		t.Errorf("rows of other channels arrive:\n%s", page)
	}
	folder := d.psql(t, ctx, "show data_directory")
	d.end(t)
	if _, err := os.Stat(folder); !os.IsNotExist(err) {
		t.Errorf("%s is left behind: %v", folder, err)
	}
}

func TestDevKeepsItsDataDir(t *testing.T) {
	cleared(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	// Not t.TempDir: Postgres may run as another user, who cannot pass there.
	parent, err := os.MkdirTemp("/tmp", "walcast-dev-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(parent) })
	if err := os.Chmod(parent, 0o755); err != nil {
		t.Fatal(err)
	}
	folder := "--data-dir=" + filepath.Join(parent, "kept")

	first := startDev(t, ctx, folder)
	secret := first.printed(t, ctx, `JWT secret +(\S+)`)
	first.psql(t, ctx, `insert into messages (channel_id, body) values (42, 'still here') returning body`)
	first.end(t)

	second := startDev(t, ctx, folder)
	if got := second.printed(t, ctx, `JWT secret +(\S+)`); got != secret {
		t.Error("the second run has another secret: keys of the first are no longer good")
	}
	if got := second.psql(t, ctx, `select body from messages`); got != "still here" {
		t.Errorf("the second run finds %q", got)
	}
	second.end(t)
}

func TestDevTablesAreGuarded(t *testing.T) {
	cleared(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	d := startDev(t, ctx)
	defer d.end(t)
	got := d.psql(t, ctx, `select format('%s %s %s %s',
		(select relrowsecurity from pg_class where relname = 'todos'),
		has_table_privilege('anon', 'messages', 'select'), has_table_privilege('anon', 'messages', 'insert'),
		has_table_privilege('anon', 'todos', 'select'))`)
	if want := "t t f f"; got != want {
		t.Errorf("row security of todos, anon reads messages, writes messages, reads todos = %s; want %s", got, want)
	}
}

func TestDevServesItsPage(t *testing.T) {
	cleared(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	d := startDev(t, ctx)
	defer d.end(t)
	url := d.printed(t, ctx, `Open (http://\S+) in two windows`)
	if page := fetched(t, ctx, http.MethodGet, url, ""); !strings.Contains(page, `<script type="module" src="/app.js">`) {
		t.Errorf("%s has no page:\n%s", url, page)
	}
	const message = `{"ref":"00000000-0000-4000-8000-000000000001","channel":42,"author":"Ada","body":"by the page"}`
	said := fetched(t, ctx, http.MethodPost, url+"/messages", message)
	got := d.psql(t, ctx, `select format('{"xid":"%s"} %s %s %s', xmin, ref, author, body) from messages`)
	if want := strings.TrimSpace(said) + " 00000000-0000-4000-8000-000000000001 Ada by the page"; got != want {
		t.Errorf("the table has %s; want %s", got, want)
	}
}

// fetched is the text of a successful answer.
func fetched(t *testing.T, ctx context.Context, method, url, body string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s %s is answered with %s %s %v", method, url, response.Status, text, err)
	}
	return string(text)
}
