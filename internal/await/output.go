package await

import (
	"context"
	"strings"
	"sync"
	"testing"
)

// Output keeps what a program prints or logs. Several goroutines may write to it.
type Output struct {
	mu   sync.Mutex
	text strings.Builder
	grew chan struct{} // has a token when there is more than before
}

// NewOutput returns an empty output.
func NewOutput() *Output { return &Output{grew: make(chan struct{}, 1)} }

// Write keeps p. It never fails.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.grew <- struct{}{}:
	default:
	}
	return o.text.Write(p)
}

// String is all that was written so far.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// Grew has an element when there is more than before.
func (o *Output) Grew() <-chan struct{} { return o.grew }

// Text returns all that was written once it contains a text. If ctx is done before,
// it ends the test and shows what was written. Only one goroutine may wait.
func (o *Output) Text(ctx context.Context, t testing.TB, text string) string {
	t.Helper()
	for {
		if all := o.String(); strings.Contains(all, text) {
			return all
		}
		select {
		case <-o.grew:
		case <-ctx.Done():
			t.Fatalf("waited for %q; the output is:\n%s", text, o.String())
		}
	}
}
