package program

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// Process is a walcast that runs.
type Process struct {
	Address string
	cmd     *exec.Cmd
	done    chan struct{}
	err     error // once done is closed
}

// Limit is for a start and for a stop on a busy machine.
const Limit = 60 * time.Second

// Start runs walcast, which prints to output; it does not wait until it serves.
func Start(binary string, output io.Writer, args ...string) (*Process, error) {
	address, err := FreeAddress()
	if err != nil {
		return nil, err
	}
	p := &Process{Address: address, done: make(chan struct{})}
	p.cmd = exec.Command(binary, append([]string{"serve", "--listen", p.Address, "--jwt-secret", Secret}, args...)...)
	p.cmd.Stdout, p.cmd.Stderr = output, output
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start walcast: %w", err)
	}
	go func() {
		defer close(p.done)
		p.err = p.cmd.Wait()
	}()
	return p, nil
}

// ID is the process' number.
func (p *Process) ID() int { return p.cmd.Process.Pid }

// State is what the system says of the process once it has ended, nil before.
func (p *Process) State() *os.ProcessState { return p.cmd.ProcessState }

// Ready waits until the process streams.
func (p *Process) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, Limit)
	defer cancel()
	return Ready(ctx, p.Address, p.Ended)
}

// Ready waits until the walcast at an address streams, or has ended.
func Ready(ctx context.Context, address string, ended func() bool) error {
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		if ended() {
			return errors.New("wait for walcast to be ready: it has ended")
		}
		response, err := client.Get("http://" + address + "/readyz")
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		if !Wait(ctx, 50*time.Millisecond) {
			return fmt.Errorf("wait for walcast to be ready: %w", ctx.Err())
		}
	}
}

// Ended reports whether the process runs no more.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Signal sends the process a signal, which may freeze it and have it go on.
func (p *Process) Signal(s os.Signal) error { return p.cmd.Process.Signal(s) }

// Kill ends the process without its help, and does not wait for the end.
func (p *Process) Kill() { _ = p.cmd.Process.Kill() }

// Stop ends the process, and returns what it ended with. An error says that it ended
// before, or did not stop.
func (p *Process) Stop() (ended, err error) {
	if p.Ended() {
		return p.err, fmt.Errorf("walcast ended by itself: %w", p.err)
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(Limit):
		p.Kill()
		<-p.done
		return p.err, errors.New("walcast does not stop")
	}
	return p.err, nil
}
