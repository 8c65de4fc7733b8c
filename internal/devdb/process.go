package devdb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// ErrRunning means that StartAgain was called on a server that runs.
var ErrRunning = errors.New("postgres is running")

// How long Stop waits before it uses a harder signal: a connected walsender that confirms
// nothing can hold up a fast shutdown.
const (
	fastLimit      = 5 * time.Second
	immediateLimit = 5 * time.Second
)

// process is one run of postgres.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // how; read after done
}

// StartAgain starts a stopped or killed server on the same data, socket and
// port, and returns when it answers.
func (s *Server) StartAgain(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running() {
		return fmt.Errorf("start postgres in %s: %w", s.Data, ErrRunning)
	}
	for {
		p, err := s.launch()
		if err != nil {
			return err
		}
		if err = s.answer(ctx, p); err == nil {
			s.proc = p
			return s.setPassword(ctx)
		}
		p.kill()
		// After a kill the old backends need a moment to notice.
		if ctx.Err() != nil || !strings.Contains(s.logTail(), "is still in use") {
			return err
		}
	}
}

// launch starts postgres and the one goroutine that waits for its end.
func (s *Server) launch() (*process, error) {
	// The log is opened for appending: what a former process still writes must not
	// overwrite what this one writes.
	log, err := os.OpenFile(s.LogPath(), os.O_CREATE|os.O_TRUNC|os.O_APPEND|os.O_WRONLY, 0o666)
	if err != nil {
		return nil, fmt.Errorf("make postgres log: %w", err)
	}
	defer log.Close() // the child has its own
	cmd := exec.Command(filepath.Join(s.BinDir, "postgres"), s.arguments()...)
	s.dress(cmd)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		if p.err = cmd.Wait(); p.err == nil {
			p.err = errors.New("exit status 0")
		}
	}()
	return p, nil
}

// running says whether the process lives. The caller holds mu.
func (s *Server) running() bool {
	if s.proc == nil {
		return false
	}
	select {
	case <-s.proc.done:
		return false
	default:
		return true
	}
}

// logTail is the end of the log, for an error.
func (s *Server) logTail() string {
	const limit = 2000
	text, err := os.ReadFile(s.LogPath())
	if err != nil {
		return err.Error()
	}
	if len(text) > limit {
		text = text[len(text)-limit:]
	}
	return string(bytes.TrimSpace(text))
}

// StopFast asks for a fast shutdown, as an operator does, and waits for it until
// ctx ends. It kills nothing: if Postgres still runs then, that is the error.
func (s *Server) StopFast(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.running() {
		return nil
	}
	if err := s.proc.fast(); err != nil {
		return fmt.Errorf("stop postgres: %w", err)
	}
	select {
	case <-s.proc.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for postgres to stop: %w", ctx.Err())
	}
}

// Restart is StopFast and StartAgain.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.StopFast(ctx); err != nil {
		return err
	}
	return s.StartAgain(ctx)
}

// Kill ends postgres as a crash does (SIGKILL). StartAgain recovers it.
func (s *Server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running() {
		s.proc.kill()
	}
}

// StopImmediate ends postgres without a checkpoint (SIGQUIT) and waits for it:
// the next start recovers, as after a crash.
func (s *Server) StopImmediate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.running() {
		return
	}
	if s.proc.immediate() != nil || !s.proc.ended(immediateLimit) {
		s.proc.kill()
	}
}

// Stop ends the server, however reluctant, and removes its folder unless it is
// to be kept. It may be called again.
func (s *Server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running() {
		s.proc.stop()
	}
	return s.remove()
}

// stop is fast, then immediate, then final.
func (p *process) stop() {
	for _, step := range []struct {
		signal func() error
		limit  time.Duration
	}{{p.fast, fastLimit}, {p.immediate, immediateLimit}} {
		if step.signal() != nil {
			break
		}
		if p.ended(step.limit) {
			return
		}
	}
	p.kill()
}

func (p *process) ended(limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-p.done:
		return true
	case <-timer.C:
		return false
	}
}

// kill ends the process group and waits for it.
func (p *process) kill() {
	p.killGroup()
	<-p.done
}
