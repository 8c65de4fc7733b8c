package hostile

import (
	"bytes"
	"strings"
	"sync"

	"walcast/test/program"
)

// logbook counts what a process prints and keeps the end of it, and each line
// that tells of a crash.
type logbook struct {
	mu      sync.Mutex
	bytes   int64
	lines   []string // the last
	crashes []string
	rest    []byte // of the line that is under way, at most lineLimit of it
}

const (
	lineLimit = 500
	linesKept = 40
)

func (b *logbook) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bytes += int64(len(p))
	for rest := p; len(rest) > 0; {
		line, after, found := bytes.Cut(rest, []byte("\n"))
		b.rest = append(b.rest, line[:min(len(line), max(0, lineLimit-len(b.rest)))]...)
		if !found {
			break
		}
		b.end()
		rest = after
	}
	return len(p), nil
}

// end ends the line that is under way.
func (b *logbook) end() {
	line := string(b.rest)
	b.rest = b.rest[:0]
	for _, sign := range program.CrashSigns() {
		if strings.Contains(line, sign) && len(b.crashes) < 5 {
			b.crashes = append(b.crashes, line)
		}
	}
	if b.lines = append(b.lines, line); len(b.lines) > 2*linesKept {
		b.lines = append(b.lines[:0], b.lines[linesKept:]...)
	}
}

// size is how many bytes were printed.
func (b *logbook) size() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bytes
}

// crashed lists lines that tell of a crash.
func (b *logbook) crashed() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.crashes
}

// tail is the last lines.
func (b *logbook) tail() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(b.lines[max(0, len(b.lines)-linesKept):], "\n")
}
