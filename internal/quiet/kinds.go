package quiet

import (
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	free      = 10   // entries of a kind that pass at once
	perSecond = 1    // and then
	most      = 1000 // kinds that are remembered; messages are constants, so that there are far fewer
)

// kind is what entries have in common that say the same.
type kind struct {
	component string
	level     slog.Level
	message   string
}

// kinds counts what was logged of each kind.
type kinds struct {
	mu    sync.Mutex
	known map[kind]*flow
}

type flow struct {
	limit *rate.Limiter
	left  int // entries left out since the last that passed
}

func newKinds() *kinds { return &kinds{known: map[kind]*flow{}} }

// take reports whether an entry passes, and how many before it did not.
func (k *kinds) take(of kind, at time.Time) (left int, passes bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f := k.known[of]
	if f == nil {
		if len(k.known) >= most {
			clear(k.known)
		}
		f = &flow{limit: rate.NewLimiter(perSecond, free)}
		k.known[of] = f
	}
	if !f.limit.AllowN(at, 1) {
		f.left++
		return 0, false
	}
	left, f.left = f.left, 0
	return left, true
}
