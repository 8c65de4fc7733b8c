package server

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// crowdVariable turns the test binary into a crowd of clients: both sides in one
// process would count twice and hit the limit of descriptors.
const crowdVariable = "WALCAST_TEST_CROWD"

// crowd is what a crowd is to do: connect, join one channel each, hold.
type crowd struct {
	Address  string // host:port
	Sessions int
	From     int    // number of the first
	Parallel int    // how many connect at once; 0 is one after the other
	Join     string // payload of the join, with the session's number where it says NUMBER
	OwnToken bool   // for each session one of its own, whose sub is ownerOf its number; else one for all
	Armed    bool   // joined means subscribed to Postgres; else it means that the reply is there
	Meet     bool   // all join one topic, on order, track, and look out for each other
}

// tally is what a crowd tells, in milliseconds and frames.
type tally struct {
	Joined50, Joined99 float64 // from join to subscribed, or to the reply
	Frames             int64   // that were awaited
	Least, Most        int64   // of one session
	Bytes              int64
	Met                float64 // time until all had seen all
}

// playCrowd is the crowd's process: it answers every line of its input with a
// tally, and leaves when the input ends. "" is to join, a number to get as many
// frames all together.
func playCrowd(spec string) {
	var c crowd
	err := json.Unmarshal([]byte(spec), &c)
	if err == nil {
		err = c.play(os.Stdin, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "crowd:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func (c crowd) play(orders io.Reader, answers io.Writer) error {
	participants, err := c.arrive()
	if err != nil {
		return err
	}
	hall := &hall{participants: participants, ready: make(chan struct{}, 1), failed: make(chan error, 1)}
	out := json.NewEncoder(answers)
	if err := out.Encode(c.joined(participants)); err != nil {
		return err
	}
	for in := bufio.NewScanner(orders); in.Scan(); {
		var answer tally
		switch {
		case c.Meet:
			answer, err = c.meet(participants)
		default:
			var frames int64
			if frames, err = parseFrames(in.Text()); err == nil {
				answer, err = hall.await(frames)
			}
		}
		if err == nil {
			err = out.Encode(answer)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func parseFrames(text string) (n int64, err error) {
	_, err = fmt.Sscan(text, &n)
	return n, err
}

// arrive connects all participants; they join as well, unless they are to meet.
func (c crowd) arrive() ([]*participant, error) {
	participants := make([]*participant, c.Sessions)
	tokens := c.tokens()
	var next atomic.Int64
	return participants, together(max(1, c.Parallel), func(int) error {
		for {
			i := int(next.Add(1)) - 1
			if i >= c.Sessions {
				return nil
			}
			m, err := enter(c.Address, tokens[i%len(tokens)])
			if err == nil && !c.Meet {
				err = m.join(c.topic(c.From+i), c.payload(c.From+i), c.Armed)
			}
			if err != nil {
				return fmt.Errorf("session %d: %w", c.From+i, err)
			}
			participants[i] = m
		}
	})
}

func (c crowd) payload(i int) string { return strings.ReplaceAll(c.Join, "NUMBER", strconv.Itoa(i)) }

func (c crowd) topic(i int) string {
	if c.Meet {
		return "realtime:hall"
	}
	return fmt.Sprintf("realtime:room%d", i)
}

func (c crowd) tokens() []string {
	if !c.OwnToken {
		return []string{signed("anon", "")}
	}
	tokens := make([]string, c.Sessions)
	for i := range tokens {
		tokens[i] = signed("authenticated", ownerOf(c.From+i))
	}
	return tokens
}

// ownerOf is the sub of a session with a token of its own.
func ownerOf(i int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", i) }

func (c crowd) joined(participants []*participant) tally {
	took := make([]time.Duration, len(participants))
	for i, m := range participants {
		took[i] = m.took
	}
	slices.Sort(took)
	return tally{Joined50: milliseconds(took[len(took)/2]), Joined99: milliseconds(took[len(took)*99/100])}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// meet has everybody join and track at once.
func (c crowd) meet(participants []*participant) (tally, error) {
	var all tally
	var mu sync.Mutex
	start := time.Now()
	err := together(len(participants), func(i int) error {
		if err := participants[i].meet(c.topic(i), c.From+i, len(participants)); err != nil {
			return fmt.Errorf("participant %d: %w", i, err)
		}
		mu.Lock()
		defer mu.Unlock()
		all.Met = milliseconds(time.Since(start))
		all.Frames += participants[i].frames
		all.Bytes += participants[i].bytes
		all.Most = max(all.Most, participants[i].frames)
		return nil
	})
	return all, err
}

// hall is where a crowd that has joined waits for frames.
type hall struct {
	participants []*participant
	reading      sync.Once
	frames       atomic.Int64
	need         atomic.Int64
	ready        chan struct{}
	failed       chan error
}

// await returns when the participants have got that many frames since they joined.
func (h *hall) await(frames int64) (tally, error) {
	h.need.Store(frames)
	h.reading.Do(func() {
		for _, m := range h.participants {
			go func() { h.failed <- m.listen(h.got) }()
		}
	})
	limit := time.After(3 * patience)
	for h.frames.Load() < frames {
		select {
		case <-limit:
			return tally{}, fmt.Errorf("%d of %d frames came", h.frames.Load(), frames)
		case <-h.ready:
		case err := <-h.failed:
			return tally{}, err
		}
	}
	all := tally{Frames: h.frames.Load(), Least: frames}
	for _, m := range h.participants {
		got := atomic.LoadInt64(&m.frames)
		all.Least, all.Most = min(all.Least, got), max(all.Most, got)
	}
	return all, nil
}

func (h *hall) got() {
	if n := h.frames.Add(1); n != h.need.Load() {
		return
	}
	select {
	case h.ready <- struct{}{}:
	default: // of the order before
	}
}

// together runs f n times at once and returns when all have, with what failed.
func together(n int, f func(i int) error) error {
	failures := make([]error, n)
	var done sync.WaitGroup
	for i := range n {
		done.Go(func() { failures[i] = f(i) })
	}
	done.Wait()
	return errors.Join(failures...)
}

// summoned is a crowd in its own process.
type summoned struct {
	tb      testing.TB
	cmd     *exec.Cmd
	orders  io.WriteCloser
	answers *json.Decoder
	joined  tally
}

// summon starts a crowd and returns when it has joined.
func summon(tb testing.TB, c crowd) *summoned {
	tb.Helper()
	spec, err := json.Marshal(c)
	if err != nil {
		tb.Fatal(err)
	}
	s := &summoned{tb: tb, cmd: exec.CommandContext(tb.Context(), os.Args[0])}
	s.cmd.Env = append(os.Environ(), crowdVariable+"="+string(spec))
	s.cmd.Stderr = os.Stderr
	if s.orders, err = s.cmd.StdinPipe(); err != nil {
		tb.Fatal(err)
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	s.answers = json.NewDecoder(out)
	if err := s.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	if err := s.answers.Decode(&s.joined); err != nil {
		tb.Fatalf("crowd of %d did not join: %v", c.Sessions, err)
	}
	return s
}

// order has the crowd do something; the answer is there when it is done.
func (s *summoned) order(frames int64) (answer func() tally) {
	s.tb.Helper()
	if _, err := fmt.Fprintln(s.orders, frames); err != nil {
		s.tb.Fatal(err)
	}
	return func() (t tally) {
		s.tb.Helper()
		if err := s.answers.Decode(&t); err != nil {
			s.tb.Fatalf("crowd: %v", err)
		}
		return t
	}
}

// leave ends the crowd.
func (s *summoned) leave() {
	s.tb.Helper()
	s.orders.Close()
	if err := s.cmd.Wait(); err != nil {
		s.tb.Errorf("crowd: %v", err)
	}
}
