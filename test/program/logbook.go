package program

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"time"
)

// CrashSigns are what a process prints that never should.
func CrashSigns() []string { return []string{"DATA RACE", "panic:", "fatal error:"} }

// Logbook keeps lines with the time of their arrival. It is an io.Writer for
// what a process prints. It is safe for concurrent use.
type Logbook struct {
	mu    sync.Mutex
	lines []line
	rest  []byte
}

type line struct {
	time int64
	text string
}

// Note adds a line.
func (b *Logbook) Note(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = append(b.lines, line{time.Now().UnixNano(), fmt.Sprintf(format, args...)})
}

func (b *Logbook) Write(p []byte) (int, error) {
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

// Around returns the lines from before to after a moment, the last of them if there
// are more than most; 0 is all.
func (b *Logbook) Around(at int64, before, after time.Duration, most int) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []string
	for _, l := range b.lines {
		if l.time >= at-int64(before) && l.time <= at+int64(after) {
			all = append(all, fmt.Sprintf("  %s %s\n", Clock(l.time), l.text))
		}
	}
	if most > 0 {
		all = all[max(0, len(all)-most):]
	}
	return strings.Join(all, "")
}

// Find returns when a text was first printed, 0 if it never was.
func (b *Logbook) Find(text string) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range b.lines {
		if strings.Contains(l.text, text) {
			return l.time
		}
	}
	return 0
}
