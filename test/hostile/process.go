package hostile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"time"
)

// process is a walcast that runs, with settings as they are by default.
type process struct {
	cmd     *exec.Cmd
	address string
	state   string // its folder
	log     logbook
	done    chan struct{}
	err     error // once done is closed
}

// startProcess runs walcast; it does not wait until it serves.
func startProcess(binary, dsn, state string) (*process, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("find a free port: %w", err)
	}
	p := &process{address: l.Addr().String(), state: state, done: make(chan struct{})}
	if err := l.Close(); err != nil {
		return nil, err
	}
	p.cmd = exec.Command(binary, "serve", "--listen", p.address, "--jwt-secret", secret, "--database-url", dsn, "--state-dir", state)
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

// processLimit is for a start and for a stop on a busy machine.
const processLimit = 60 * time.Second

// ready waits until the process streams.
func (p *process) ready(ctx context.Context) error {
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	ctx, cancel := context.WithTimeout(ctx, processLimit)
	defer cancel()
	for {
		response, err := client.Get("http://" + p.address + "/readyz")
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		if p.ended() || !wait(ctx, 50*time.Millisecond) {
			return fmt.Errorf("wait for walcast to be ready: ended %t\n%s", p.ended(), p.log.tail())
		}
	}
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// stop ends the process and says what it should not have done.
func (p *process) stop() error {
	if p.ended() {
		return fmt.Errorf("walcast ended by itself: %w\n%s", p.err, p.log.tail())
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(processLimit):
		_ = p.cmd.Process.Kill()
		<-p.done
		return errors.New("walcast does not stop")
	}
	if p.err != nil {
		return fmt.Errorf("walcast stops: %w", p.err)
	}
	return nil
}

var (
	residentLine = regexp.MustCompile(`(?m)^VmRSS:\s+(\d+) kB$`)
	highestLine  = regexp.MustCompile(`(?m)^VmHWM:\s+(\d+) kB$`)
)

// memory is what the process has resident, and the most that it ever had, in
// bytes. Only Linux says.
func (p *process) memory() (now, highest int64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, 0, err
	}
	for line, to := range map[*regexp.Regexp]*int64{residentLine: &now, highestLine: &highest} {
		found := line.FindSubmatch(text)
		if found == nil {
			return 0, 0, fmt.Errorf("read memory: no %s", line)
		}
		kilobytes, err := strconv.ParseInt(string(found[1]), 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("read memory: %w", err)
		}
		*to = kilobytes << 10
	}
	return now, highest, nil
}

// stateSize is what the process has left in its folder.
func (p *process) stateSize() (size int64, err error) {
	err = filepath.WalkDir(p.state, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	return size, err
}
