package access

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// logbook keeps the lines that a process prints, with the time of their arrival.
type logbook struct {
	mu    sync.Mutex
	lines []line
	rest  []byte
}

type line struct {
	time int64
	text string
}

func (b *logbook) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rest = append(b.rest, p...)
	for {
		text, rest, found := bytes.Cut(b.rest, []byte("\n"))
		if !found {
			return len(p), nil
		}
		b.lines = append(b.lines, line{time.Now().UnixNano(), string(text)})
		b.rest = rest
	}
}

// around returns the lines from before to after a moment, the last of them.
func (b *logbook) around(at int64, before, after time.Duration) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []string
	for _, l := range b.lines {
		if l.time >= at-int64(before) && l.time <= at+int64(after) {
			all = append(all, fmt.Sprintf("  %s %s\n", clock(l.time), l.text))
		}
	}
	return strings.Join(all[max(0, len(all)-20):], "")
}

// find returns when a text was first printed, 0 if it never was.
func (b *logbook) find(text string) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range b.lines {
		if strings.Contains(l.text, text) {
			return l.time
		}
	}
	return 0
}

// process is a walcast that runs.
type process struct {
	cmd     *exec.Cmd
	address string
	log     logbook
	done    chan struct{}
	err     error // once done is closed
}

// startProcess runs walcast; it does not wait until it serves.
func startProcess(binary string, args ...string) (*process, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("find a free port: %w", err)
	}
	p := &process{address: l.Addr().String(), done: make(chan struct{})}
	if err := l.Close(); err != nil {
		return nil, err
	}
	p.cmd = exec.Command(binary, append([]string{"serve", "--listen", p.address, "--jwt-secret", secret}, args...)...)
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start walcast: %w", err)
	}
	go func() {
		defer close(p.done)
		p.err = p.cmd.Wait()
	}()
	return p, nil
}

// ready waits until the process streams.
func (p *process) ready(ctx context.Context) error {
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	ctx, cancel := context.WithTimeout(ctx, lastLimit)
	defer cancel()
	for {
		response, err := client.Get("http://" + p.address + "/readyz")
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-p.done:
			return fmt.Errorf("wait for walcast to be ready: it has ended\n%s", p.log.around(time.Now().UnixNano(), time.Minute, 0))
		case <-ctx.Done():
			return fmt.Errorf("wait for walcast to be ready: %w\n%s", ctx.Err(), p.log.around(time.Now().UnixNano(), time.Minute, 0))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// metrics returns what the process tells of itself, "" if it does not answer.
func (p *process) metrics(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, lastLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.address+"/metrics", nil)
	if err != nil {
		return ""
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return ""
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return ""
	}
	return string(text)
}

// stop ends the process and says what it should not have done.
func (p *process) stop() error {
	select {
	case <-p.done:
		return fmt.Errorf("walcast ended by itself: %w\n%s", p.err, p.log.around(time.Now().UnixNano(), time.Hour, 0))
	default:
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(lastLimit):
		_ = p.cmd.Process.Kill()
		<-p.done
		return errors.New("walcast does not stop")
	}
	for _, sign := range []string{"DATA RACE", "panic:", "fatal error:"} {
		if at := p.log.find(sign); at != 0 {
			return fmt.Errorf("walcast printed %s\n%s", sign, p.log.around(at, time.Second, 5*time.Second))
		}
	}
	return nil
}
