package havoc

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"

	"walcast/test/program"
)

// Process is a walcast, run again and again on the same address and state.
type Process struct {
	Binary  string
	Args    []string
	Address string
	Log     *program.Logbook

	mu      sync.Mutex
	run     *run
	unclean int64 // when it first ended without a stop, Unix nanoseconds
	faults  []Fault
}

// run is one life of the process.
type run struct {
	cmd     *exec.Cmd
	begun   *firstWrite
	done    chan struct{}
	ordered bool // its end was asked for
}

// firstWrite passes on what a process prints and tells of the first line: main
// runs by then, and signals are handled. Before that nothing can handle them,
// which on a busy machine may be for half a second.
type firstWrite struct {
	to   io.Writer
	seen chan struct{}
	once sync.Once
}

func (f *firstWrite) Write(p []byte) (int, error) {
	n, err := f.to.Write(p)
	f.once.Do(func() { close(f.seen) })
	return n, err
}

// Start runs the program; it does not wait until it serves.
func (p *Process) Start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := &run{cmd: exec.Command(p.Binary, p.Args...), begun: &firstWrite{to: p.Log, seen: make(chan struct{})}, done: make(chan struct{})}
	r.cmd.Stdout, r.cmd.Stderr = r.begun, r.begun
	if err := r.cmd.Start(); err != nil {
		return fmt.Errorf("start walcast: %w", err)
	}
	p.run = r
	go func() {
		err := r.cmd.Wait()
		p.mu.Lock()
		defer p.mu.Unlock()
		if !r.ordered {
			p.faults = append(p.faults, Fault{Client: "walcast", Time: time.Now().UnixNano(), Text: fmt.Sprintf("ended by itself: %v", err)})
		}
		close(r.done)
	}()
	return nil
}

// End sends a signal and waits for the end. A stop that takes too long, or that
// is no success, is a fault. A process that was just started gets the signal once
// it can handle signals, and one that was never started none.
func (p *Process) End(signal syscall.Signal) {
	p.mu.Lock()
	r := p.run
	if r == nil {
		p.mu.Unlock()
		return
	}
	r.ordered = true
	if signal == syscall.SIGKILL && p.unclean == 0 {
		p.unclean = time.Now().UnixNano()
	}
	p.mu.Unlock()
	if signal == syscall.SIGTERM {
		r.awaitMain()
	}
	_ = r.cmd.Process.Signal(signal)
	select {
	case <-r.done:
	case <-time.After(stopLimit):
		p.blame("does not stop within %s of %s", stopLimit, signal)
		_ = r.cmd.Process.Kill()
		<-r.done
	}
	if code := r.cmd.ProcessState.ExitCode(); signal == syscall.SIGTERM && code != 0 {
		p.blame("exit code %d after %s", code, signal)
	}
}

// awaitMain waits until main runs, or for as long as a stop may take: then the
// stop that follows says what is wrong.
func (r *run) awaitMain() {
	select {
	case <-r.begun.seen:
	case <-r.done:
	case <-time.After(stopLimit):
	}
}

// cutShort asks for a stop and has no patience: the state may be half saved.
func (p *Process) cutShort(patience time.Duration) {
	p.mu.Lock()
	r := p.run
	r.ordered = true
	if p.unclean == 0 {
		p.unclean = time.Now().UnixNano()
	}
	p.mu.Unlock()
	_ = r.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-r.done:
	case <-time.After(patience):
		_ = r.cmd.Process.Kill()
		<-r.done
	}
}

// freeze has the process do nothing for a while.
func (p *Process) freeze(lasts time.Duration) {
	p.mu.Lock()
	r := p.run
	if p.unclean == 0 {
		p.unclean = time.Now().UnixNano() // others take it for dead
	}
	p.mu.Unlock()
	_ = r.cmd.Process.Signal(syscall.SIGSTOP)
	program.Wait(context.Background(), lasts)
	_ = r.cmd.Process.Signal(syscall.SIGCONT)
}

// stopLimit is for a drain of 8 s on a busy machine.
const stopLimit = 30 * time.Second

func (p *Process) blame(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, Fault{Client: "walcast", Time: time.Now().UnixNano(), Text: fmt.Sprintf(format, args...)})
}

// Ready waits until the process streams.
func (p *Process) Ready(ctx context.Context) error {
	if err := program.Ready(ctx, p.Address, p.ended); err != nil {
		return fmt.Errorf("%w\n%s", err, p.Log.Around(time.Now().UnixNano(), time.Minute, 0, 0))
	}
	return nil
}

// ended reports whether the process is not running.
func (p *Process) ended() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.run.done:
		return true
	default:
		return false
	}
}

// Unclean is when it first ended without a stop, in Unix nanoseconds, 0 if it never did.
func (p *Process) Unclean() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.unclean
}

// Faults are what must not happen to the process, with what it has printed that it never
// should.
func (p *Process) Faults() []Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	faults := slices.Clone(p.faults)
	for _, sign := range program.CrashSigns() {
		if at := p.Log.Find(sign); at != 0 {
			faults = append(faults, Fault{Client: "walcast", Time: at, Text: "printed " + sign})
		}
	}
	return faults
}
