package hostile

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"walcast/test/program"
)

// process is a walcast that runs, with settings as they are by default.
type process struct {
	*program.Process
	state string // its folder
	log   logbook
}

// startProcess runs walcast; it does not wait until it serves.
func startProcess(binary, dsn, state string) (*process, error) {
	p := &process{state: state}
	var err error
	if p.Process, err = program.Start(binary, &p.log, "--database-url", dsn, "--state-dir", state); err != nil {
		return nil, err
	}
	return p, nil
}

// ready waits until the process streams.
func (p *process) ready(ctx context.Context) error {
	if err := p.Ready(ctx); err != nil {
		return fmt.Errorf("%w\n%s", err, p.log.tail())
	}
	return nil
}

// stop ends the process and says what it should not have done.
func (p *process) stop() error {
	ended, err := p.Stop()
	switch {
	case err != nil:
		return fmt.Errorf("%w\n%s", err, p.log.tail())
	case ended != nil:
		return fmt.Errorf("walcast stops: %w", ended)
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
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.ID()))
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
