package drill

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"time"
)

// logbook keeps lines with the time of their arrival. It is an io.Writer for
// what a process prints.
type logbook struct {
	mu    sync.Mutex
	lines []line
	rest  []byte
}

type line struct {
	time int64
	text string
}

func (b *logbook) note(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = append(b.lines, line{time.Now().UnixNano(), fmt.Sprintf(format, args...)})
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

// around returns the lines from before to after a moment.
func (b *logbook) around(at int64, before, after time.Duration) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out strings.Builder
	for _, l := range b.lines {
		if l.time >= at-int64(before) && l.time <= at+int64(after) {
			fmt.Fprintf(&out, "  %s %s\n", clock(l.time), l.text)
		}
	}
	return out.String()
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

func clock(nanos int64) string { return time.Unix(0, nanos).UTC().Format("15:04:05.000") }
