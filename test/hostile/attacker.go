package hostile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"github.com/jackc/pgx/v5"

	"walcast/test/program"
)

// order is what a process of attackers is to do; it reads it from its input, and
// leaves when that ends.
type order struct {
	Attack       string
	Address, DSN string
	Seed         uint64
	Duration     time.Duration
}

// account is what it prints when it leaves.
type account struct {
	Tally map[string]int // what the server did, and how often
	Error string
}

// orderVariable makes the test's program a process of attackers.
const orderVariable = "WALCAST_HOSTILE_ATTACKERS"

// attackAsOrdered is the main function of such a process.
func attackAsOrdered() int {
	var o order
	if err := json.NewDecoder(os.Stdin).Decode(&o); err != nil {
		fmt.Fprintln(os.Stderr, "read order:", err)
		return 2
	}
	attack, err := find(o.Attack)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	ctx, cancel := context.WithTimeout(context.Background(), o.Duration)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	a := &attacker{order: o, tally: map[string]int{}}
	result := account{Tally: a.tally}
	if err := attack.run(ctx, a); err != nil && ctx.Err() == nil {
		result.Error = err.Error()
	}
	a.mu.Lock() // somebody may still be telling
	defer a.mu.Unlock()
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		return 1
	}
	return 0
}

// attacker is what attacks have in common.
type attacker struct {
	order

	mu    sync.Mutex
	tally map[string]int
}

// tell counts something that the server did.
func (a *attacker) tell(what string) {
	what = strings.ToValidUTF8(what, "?")
	if len(what) > 100 {
		what = what[:100] + "…"
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.tally) < 40 || a.tally[what] > 0 {
		a.tally[what]++
	}
}

// chance is the source of random numbers of one of several attackers.
func (a *attacker) chance(i int) *rand.Rand { return rand.New(rand.NewPCG(a.Seed, uint64(i))) }

// several is how many topics an attack uses that needs one: topics are spread over
// shards, which match changes side by side.
const several = 4

// caller is the attackers' user.
func (a *attacker) caller() caller {
	return caller{address: a.Address, token: token(attackerUser), foreign: true}
}

// client is for HTTP.
func (a *attacker) client() *http.Client {
	transport := &http.Transport{DialContext: a.caller().connect, MaxIdleConnsPerHost: 50}
	return &http.Client{Timeout: 10 * time.Second, Transport: transport}
}

// post sends a body, and returns the status as an error if it is not as wanted.
func (a *attacker) post(ctx context.Context, client *http.Client, path string, header http.Header, body string, want int) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+a.Address+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	request.Header = header.Clone()
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+token(attackerUser))
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode != want {
		return errors.New(response.Status)
	}
	return nil
}

// crowd has n attackers do something, each again and again until ctx is done: what
// ends in an error is told and tried again.
func (a *attacker) crowd(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			for ctx.Err() == nil {
				if err := do(ctx, i); err != nil && ctx.Err() == nil {
					a.tell(reason(err))
				}
				program.Wait(ctx, 200*time.Millisecond)
			}
		})
	}
	all.Wait()
	return nil
}

// reason is an error without what differs each time.
func reason(err error) string {
	var closed *websocket.CloseError
	if errors.As(err, &closed) {
		return fmt.Sprintf("closed with %d %s", closed.Code, closed.Text)
	}
	text := err.Error()
	for _, known := range []string{"connection reset", "broken pipe", "i/o timeout", "connection refused", "use of closed network connection"} {
		if strings.Contains(text, known) {
			return known
		}
	}
	return text
}

// connected dials, has somebody use the socket while what comes is read and
// told, and waits for the end of both.
func (a *attacker) connected(ctx context.Context, c caller, do func(*socket) error) error {
	s, err := c.dial(ctx)
	if err != nil {
		return err
	}
	var listening sync.WaitGroup
	defer listening.Wait()
	defer s.close()
	if !c.deaf {
		listening.Go(func() { a.listen(s) })
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	listening.Go(func() { s.heartbeat(ctx) })
	return do(s)
}

// listen tells what comes until the socket ends.
func (a *attacker) listen(s *socket) {
	for {
		f, err := s.skim()
		if err != nil {
			var closed *websocket.CloseError
			if errors.As(err, &closed) && closed.Code != websocket.CloseAbnormalClosure {
				a.tell(reason(err))
			}
			return
		}
		a.tell(f.summary())
	}
}

// summary is what a frame says, without what differs each time.
func (f frame) summary() string {
	switch f.event {
	case "phx_reply", "system":
	default:
		return f.event
	}
	var p struct {
		Status, Message, Code string
		Response              struct{ Reason string }
	}
	_ = json.Unmarshal(f.payload, &p) // what is else there does not matter
	text := p.Code
	if text == "" {
		text, _, _ = strings.Cut(p.Message+p.Response.Reason, ":")
	}
	return strings.TrimSpace(f.event + " " + p.Status + " " + text)
}

// database connects as a user of the app.
func (a *attacker) database(ctx context.Context) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(a.DSN)
	if err != nil {
		return nil, err
	}
	config.RuntimeParams["role"] = "authenticated"
	return pgx.ConnectConfig(ctx, config)
}

// writing does a statement again and again, with a pause, until ctx is done.
func (a *attacker) writing(ctx context.Context, pause time.Duration, sql string, args ...any) error {
	db, err := a.database(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close(context.WithoutCancel(ctx)) }()
	for program.Wait(ctx, pause) {
		if _, err := db.Exec(ctx, sql, args...); err != nil {
			return err
		}
	}
	return nil
}

// beside does two things until ctx is done, or one fails.
func beside(ctx context.Context, first, second func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make(chan error, 1)
	go func() {
		err := first(ctx)
		if err != nil {
			cancel()
		}
		failed <- err
	}()
	err := second(ctx)
	if err != nil {
		cancel()
	}
	return errors.Join(err, <-failed)
}
