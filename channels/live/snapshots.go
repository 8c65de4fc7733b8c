package live

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"walcast/diagnose"
	"walcast/policy"
	"walcast/replication/catalog"
	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// SnapshotsConfig is what Snapshots work with. All of it is required.
type SnapshotsConfig struct {
	SnapshotLimits
	Pool         *pgxpool.Pool // of as many connections as SnapshotConnections; its statements are not cached
	Publications []string
	Tables       catalog.Catalog // of these publications, over connections that others have too
	Log          *changelog.Log
	Policy       *policy.Policy
	Logger       *slog.Logger
	Keys         *Keys // of the rows of views
	// Encode returns what appends the data object of a row, as a binding has it under a
	// view, with the time of the snapshot.
	Encode func(b *diagnose.Binding, view *policy.View) func(dst []byte, row wal.Row, at time.Time) []byte
}

// sharedFor is how long after a snapshot was begun others that want the same get it.
const sharedFor = 100 * time.Millisecond

// Snapshots reads the rows that bindings begin with, over connections of its own, and
// keeps them until their clients have taken them. It is safe for concurrent use.
type Snapshots struct {
	config    SnapshotsConfig
	metrics   *snapshotMetrics
	relations relations

	mu      sync.Mutex
	changed *sync.Cond // something may go on: a snapshot waits, memory is free, or Run ends
	line    line
	shared  map[requestKey]*batch // that others can still share
	memory  memory
	count   uint64  // batches that were begun
	named   []named // the newest last
}

// NewSnapshots reads nothing before Run.
func NewSnapshots(c SnapshotsConfig, reg prometheus.Registerer) *Snapshots {
	s := &Snapshots{
		config: c, line: newLine(c.SnapshotConnections), shared: map[requestKey]*batch{}, memory: newMemory(c.SnapshotBytes),
		relations: relations{known: map[uint32]*wal.Relation{}},
	}
	s.config.Logger = c.Logger.With("component", "snapshots")
	s.changed = sync.NewCond(&s.mu)
	s.metrics = newSnapshotMetrics(reg, s)
	return s
}

// Ask has a snapshot taken. The caller must Release what it gets.
func (s *Snapshots) Ask(r SnapshotRequest) *Asked {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := r.key()
	b := s.shared[key]
	if b == nil || r.Fresh && b.number > 0 || b.taken != nil && b.taken.From.History != s.config.Log.History() {
		if b != nil {
			s.unlist(b)
			s.tidy(b)
		}
		b = &batch{key: key, request: r, done: make(chan struct{})}
		s.shared[key] = b
		s.line.put(b)
		s.changed.Broadcast()
	}
	b.users++
	return &Asked{of: s, batch: b}
}

// Forms returns what Reads.Form is now, by OID; tables without one are not in it.
func (s *Snapshots) Forms(ctx context.Context) (map[uint32]string, error) {
	ctx, cancel := context.WithTimeout(ctx, tablesLimit)
	defer cancel()
	return s.config.Tables.Forms(ctx)
}

// tablesLimit is how long Postgres may take to say how tables are published.
const tablesLimit = 5 * time.Second

// IsPresent reports whether a table is published under its name with the very columns of
// a state of it.
func (s *Snapshots) IsPresent(ctx context.Context, rel *wal.Relation) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, tablesLimit)
	defer cancel()
	found, err := s.config.Tables.Published(ctx, rel.Schema, rel.Table)
	if err != nil {
		return false, err
	}
	return len(found) == 1 && found[0].SameShape(rel), nil
}

// Run takes snapshots until ctx is done.
func (s *Snapshots) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	defer context.AfterFunc(ctx, s.wake)() // of this very ctx, which workers look at when they wake
	for range s.config.SnapshotConnections {
		g.Go(func() error { return s.work(ctx) })
	}
	return g.Wait()
}

// wake has those who wait look again.
func (s *Snapshots) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed.Broadcast()
}

func (s *Snapshots) work(ctx context.Context) error {
	for {
		b := s.next(ctx)
		if b == nil {
			return nil
		}
		s.take(ctx, b)
	}
}

// next waits for a snapshot that is to be taken; nil when ctx is done.
func (s *Snapshots) next(ctx context.Context) *batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ctx.Err() == nil {
		if b := s.line.take(s.memory.mayBegin()); b != nil {
			s.count++
			b.number, b.began = s.count, time.Now()
			return b
		}
		s.changed.Wait()
	}
	return nil
}

// take takes one snapshot. The batch is no longer shared some time after it was begun.
func (s *Snapshots) take(ctx context.Context, b *batch) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.begin(b, cancel)
	timer := time.AfterFunc(sharedFor, func() { s.unshare(b) })
	taken, err := s.read(ctx, b)
	if errors.Is(err, errNoRoom) {
		timer.Stop()
		s.postpone(b)
		return
	}
	s.metrics.count(taken, err, time.Since(b.began))
	s.note(ctx, err)
	s.end(b, taken, err)
}

// note logs what Postgres answered in place of a snapshot that is asked for again. That it
// does not answer at all is told by the stream.
func (s *Snapshots) note(ctx context.Context, err error) {
	var away *AwayError
	var pg *pgconn.PgError
	if ctx.Err() == nil && errors.As(err, &away) && errors.As(err, &pg) {
		s.config.Logger.Warn("snapshot not taken, it is tried again", "err", err)
	}
}

// begin lets a batch be cancelled once nobody wants it.
func (s *Snapshots) begin(b *batch, cancel context.CancelFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.cancel = cancel; b.users == 0 {
		cancel()
	}
}

// read reads a snapshot, again where the table was altered meanwhile.
func (s *Snapshots) read(ctx context.Context, b *batch) (taken *Snapshot, err error) {
	stored := false
	for tries := range mostTries {
		r := &reading{of: s, batch: b, spelled: spellings[min(b.tried.spelled, len(spellings)-1)], stored: stored}
		taken, err = r.run(ctx)
		var again *againError
		var mixed *mixedError
		if errors.As(err, &mixed) {
			return nil, s.alone(ctx, b, err)
		}
		if !errors.As(err, &again) {
			return taken, err
		}
		s.give(b)
		stored = stored || again.stored
		switch {
		case again.spelled:
			b.tried.spelled++
		case tries > 0 && !again.stored:
			s.config.Logger.Info("snapshot begun anew", "err", err)
		}
	}
	return nil, &AwayError{cause: err}
}

// mostTries is how often a snapshot is begun anew.
const mostTries = 8

// postpone has a batch wait again for which there was no room.
func (s *Snapshots) postpone(b *batch) {
	s.give(b)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.line.done(b.account())
	if b.users > 0 {
		b.number = 0
		s.line.put(b)
	}
	s.changed.Broadcast()
}

// end gives a snapshot, or an error, to all who wait for it.
func (s *Snapshots) end(b *batch, taken *Snapshot, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.line.done(b.account())
	b.taken, b.err, b.ended = taken, err, time.Now()
	close(b.done)
	if err != nil {
		s.unlist(b)
	}
	s.tidy(b)
	s.changed.Broadcast()
}

// unshare is unlist, and tidy, at the end of the time in which a snapshot is shared.
func (s *Snapshots) unshare(b *batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unlist(b)
	s.tidy(b)
}

// waiting is how many snapshots wait.
func (s *Snapshots) waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.line.size()
}

// alone finds the binding whose rows raise, by an attempt for each. Without one the
// error was of a moment.
func (s *Snapshots) alone(ctx context.Context, b *batch, cause error) error {
	for i, binding := range b.request.Bindings {
		one := &batch{key: b.key, request: SnapshotRequest{Subject: b.request.Subject, Bindings: []*diagnose.Binding{binding}}, number: b.number, began: time.Now(), tried: tried{spelled: b.tried.spelled}}
		_, err := s.read(ctx, one)
		s.give(one)
		var refused *RefusedError
		if errors.As(err, &refused) {
			return &RefusedError{Binding: i, Problem: refused.Problem, IsOfTable: refused.IsOfTable}
		}
	}
	return &AwayError{cause: cause}
}
