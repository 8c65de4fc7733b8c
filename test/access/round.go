package access

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"walcast/internal/devdb"
	"walcast/test/program"
)

// Options of a round.
type Options struct {
	Binary   string        // walcast, built
	State    string        // folder for walcast's state
	Seed     uint64        // of everything that is random
	Duration time.Duration // of the changes of access
	Rate     int           // transactions of rows a second
	Pause    time.Duration // between two changes of access, on average
	Clients  int

	// enough tells whether enough has come for the round to end; nil is always.
	enough func(*round) bool
	// plain makes the world one in which much is shown and much is not.
	plain bool
	// tamper falsifies the diaries, to see whether the judge notices.
	tamper func(*round)
}

// lastLimit bounds what is waited for when nothing is in the way any more.
const lastLimit = 60 * time.Second

const writers = 2

// round is one run in one world.
type round struct {
	Options
	world    *world
	postgres *devdb.Server
	walcast  *process
	ledger   *ledger
	steward  *steward
	writers  []*writer
	clients  []*client
	target   atomic.Uint64 // what all clients have to reach
	truth    *truth
	looks    looks
	verdict
}

// verdict is what the judge found.
type verdict struct {
	faults   []Fault
	odd      int // versions that the shadow could not take
	asked    int // suspicions
	absences int // of these, what did not come
	givenUp  int // changes that resyncs gave up
}

// runRound makes a mess and judges what the clients have seen. An error means
// that the harness, or walcast as a whole, did not work.
func runRound(ctx context.Context, o Options) (_ *round, err error) {
	r := &round{Options: o, world: newWorld(o.Seed), ledger: newLedger()}
	if o.plain {
		r.world.makePlain()
	}
	defer func() { err = errors.Join(err, r.tearDown()) }()
	if err := r.prepare(ctx); err != nil {
		return nil, err
	}
	if err := r.mess(ctx); err != nil {
		return nil, err
	}
	db, err := r.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close(context.WithoutCancel(ctx)) }()
	if r.truth, err = readTruth(ctx, db, r.world, r.ledger, r.steward.history); err != nil {
		return nil, err
	}
	if o.tamper != nil {
		o.tamper(r)
	}
	return r, r.judge(ctx)
}

func (r *round) connect(ctx context.Context) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(r.postgres.DSN("postgres"))
	if err != nil {
		return nil, err
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeExec // types change
	return pgx.ConnectConfig(ctx, config)
}

// prepare starts Postgres and walcast, and those who write.
func (r *round) prepare(ctx context.Context) (err error) {
	if r.postgres, err = devdb.Start(ctx, devdb.Options{TCP: true, Settings: map[string]string{"lock_timeout": "3s"}}); err != nil {
		return err
	}
	r.steward = &steward{
		world: r.world, ledger: r.ledger, pause: r.Pause, history: history{beginning()}, refused: map[string]int{},
		random: rand.New(rand.NewPCG(r.Seed, 1)),
	}
	if r.steward.db, err = r.connect(ctx); err != nil {
		return err
	}
	statements := append(r.world.create(false), "select pg_create_logical_replication_slot('"+truthSlot+"', 'pgoutput')")
	if err := build(ctx, r.steward.db, statements); err != nil {
		return err
	}
	for i := range writers {
		w := &writer{
			world: r.world, ledger: r.ledger, next: i * 1e6, rows: map[string][]int{}, failed: map[string]int{},
			pause: writers * time.Second / time.Duration(r.Rate), random: rand.New(rand.NewPCG(r.Seed, uint64(10+i))),
		}
		if w.db, err = r.connect(ctx); err != nil {
			return err
		}
		r.writers = append(r.writers, w)
	}
	database, err := url.Parse(r.postgres.DSN("postgres"))
	if err != nil {
		return err
	}
	if !r.world.super {
		database.User = url.User("walcast")
	}
	r.walcast, err = startProcess(r.Binary, "--state-dir", r.State, "--publication", byName+","+byRoot,
		"--database-url", database.String(), "--ping-interval", "2s", "--pool-size", "4")
	if err != nil {
		return err
	}
	return r.walcast.ready(ctx)
}

// mess is the run itself.
func (r *round) mess(ctx context.Context) error {
	following, stopFollowing := context.WithCancel(ctx)
	defer stopFollowing()
	var clients sync.WaitGroup
	for i := range r.Clients {
		c := newClient(r.world, rand.New(rand.NewPCG(r.Seed, uint64(100+i))), i)
		c.address, c.target = r.walcast.Address, &r.target
		r.clients = append(r.clients, c)
		clients.Go(func() { c.follow(following) })
	}
	clients.Go(func() { r.looks.follow(following, r.walcast) })
	writing, stopWriting := context.WithCancel(ctx)
	defer stopWriting()
	changing, stopChanging := context.WithTimeout(ctx, r.Duration)
	defer stopChanging()
	var writers sync.WaitGroup
	for _, w := range r.writers {
		writers.Go(func() { w.work(writing) })
	}
	err := r.steward.work(changing)
	r.await(ctx)
	program.Wait(ctx, 300*time.Millisecond) // rows after the last change
	stopWriting()
	writers.Wait()
	if err == nil {
		err = r.end(ctx)
	}
	stopFollowing()
	clients.Wait()
	return err
}

// await waits until enough has come: on a busy machine it takes longer.
func (r *round) await(ctx context.Context) {
	if r.enough == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lastLimit)
	defer cancel()
	for !r.enough(r) && program.Wait(ctx, lookEvery) {
	}
}

// end writes a last row and tells the clients how far they have to come.
func (r *round) end(ctx context.Context) error {
	var at int64
	if err := r.steward.db.QueryRow(ctx, "select pg_current_wal_insert_lsn() - '0/0'").Scan(&at); err != nil {
		return fmt.Errorf("find the end of the WAL: %w", err)
	}
	if _, err := r.steward.db.Exec(ctx, "insert into public.pulse values (1)"); err != nil {
		return fmt.Errorf("write the last row: %w", err)
	}
	r.target.Store(uint64(at))
	return nil
}

// judge asks the shadow about everything that came and that did not.
func (r *round) judge(ctx context.Context) (err error) {
	s, err := newShadow(ctx, r.world)
	if err != nil {
		return fmt.Errorf("make the shadow: %w", err)
	}
	defer func() { err = errors.Join(err, s.close(context.WithoutCancel(ctx))) }()
	if err := s.filter(ctx, r.truth.versions); err != nil {
		return err
	}
	h := r.steward.history
	var all []suspicion
	for _, c := range r.clients {
		q := inquiry{client: c, truth: r.truth, history: h, looks: &r.looks}
		q.arrivals()
		q.absences()
		q.resyncs()
		all = append(all, q.found...)
		r.faults, r.givenUp = append(r.faults, q.faults...), r.givenUp+q.givenUp
	}
	said, err := s.replay(ctx, h, all, innocent(h))
	if err != nil {
		return err
	}
	r.odd, r.asked = s.odd, len(all)
	for _, q := range all {
		if q.absent() {
			r.absences++
		}
		if f := judge(q, h, said); f != nil {
			r.faults = append(r.faults, *f)
		}
	}
	for i := range r.faults {
		r.faults[i].Seed = r.Seed
	}
	slices.SortStableFunc(r.faults, func(a, b Fault) int { return int(max(-1, min(1, a.Time-b.Time))) })
	return r.trace(ctx)
}

func (r *round) tearDown() (err error) {
	ctx := context.Background()
	if r.walcast != nil {
		err = r.walcast.stop()
	}
	for _, w := range r.writers {
		_ = w.db.Close(ctx)
	}
	if r.steward != nil && r.steward.db != nil {
		_ = r.steward.db.Close(ctx)
	}
	if r.postgres != nil {
		err = errors.Join(err, r.postgres.Stop())
	}
	return err
}
