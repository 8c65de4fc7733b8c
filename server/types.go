package server

import (
	"context"
	"sync"
	"time"

	"walcast/policy"
	"walcast/replication"
)

// types has the reader learn of changed types, which the WAL does not tell: the
// looks at the catalog see them.
type types struct {
	mu   sync.Mutex
	more []uint32 // found by the reader and not looked at yet
	wake chan struct{}
}

func newTypes() *types { return &types{wake: make(chan struct{}, 1)} }

// found takes types that the reader has read from the catalog.
func (t *types) found(oids []uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.more = append(t.more, oids...)
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

func (t *types) take() []uint32 {
	t.mu.Lock()
	defer t.mu.Unlock()
	more := t.more
	t.more = nil
	return more
}

// typesRetry is the pause after a look that failed.
const typesRetry = time.Second

// run has looks include what the reader finds, until ctx is done. The reader reads
// it once more when they do: it may have changed in between.
func (t *types) run(ctx context.Context, p *policy.Policy, r *replication.Reader) error {
	for {
		select {
		case <-t.wake:
		case <-ctx.Done():
			return nil
		}
		more := t.take()
		for p.Depend(ctx, policy.DependType, more...) != nil {
			select {
			case <-time.After(typesRetry):
			case <-ctx.Done():
				return nil
			}
		}
		r.TypesChanged(more)
	}
}
