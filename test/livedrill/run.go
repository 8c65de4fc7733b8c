package livedrill

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"walcast/test/havoc"
	"walcast/test/program"
)

// Options of a run.
type Options struct {
	Binary   string        // walcast, built
	State    string        // folder for walcast's state
	Seed     uint64        // of everything that is random
	Duration time.Duration // of the mess
	Pause    time.Duration // between two transactions of a writer, on average
	Peace    bool          // nothing is harmed, and no rules change
	Clients  int

	sieve func() havoc.Sieve       // see havoc.Proxy
	spoil func(l *look, o opinion) // a planted fault; nil for none
}

const (
	lastLimit = 60 * time.Second // for what nothing is in the way of any more
	calmLimit = 90 * time.Second // for all to be well again after the mess
	writers   = 3
	// window is walcast's resume window. Some clients stay away for longer.
	window = 15 * time.Second
)

// drill is one run.
type drill struct {
	Options
	random  *rand.Rand
	dsn     string // of Postgres, past the proxy
	havoc   *havoc.Havoc
	clients []*client
	events  program.Logbook // of what the drill does
	steward *steward
	acks    acks
	faults  []fault
}

// Run makes a mess for Options.Duration and judges what the clients have held. An error
// means that the drill itself did not work.
func Run(ctx context.Context, o Options) (_ *Report, err error) {
	d := &drill{Options: o, random: rand.New(rand.NewPCG(o.Seed, 0)), acks: acks{when: map[uint32]int64{}}}
	defer func() { err = errors.Join(err, d.havoc.Close()) }()
	if err := d.prepare(ctx); err != nil {
		return nil, err
	}
	following, stop := context.WithCancel(ctx)
	defer stop()
	wait := d.follow(following)
	err = d.mess(ctx)
	stop()
	wait()
	if err != nil {
		return nil, err
	}
	asked, err := d.judge(ctx)
	if err != nil {
		return nil, err
	}
	return d.report(asked), nil
}

// prepare starts Postgres, walcast and the proxies.
func (d *drill) prepare(ctx context.Context) (err error) {
	d.havoc, err = havoc.Open(ctx, havoc.Scene{
		Binary: d.Binary, State: d.State, Publication: publication, Window: window, Random: d.random, Seed: d.Seed, Sieve: d.sieve, Log: &d.events,
	}, func(ctx context.Context, dsn string) error {
		d.dsn = dsn
		return d.makeTables(ctx)
	})
	return err
}

// makeTables makes the tables, the first rules and some rows.
func (d *drill) makeTables(ctx context.Context) error {
	db, err := pgx.Connect(ctx, d.dsn)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close(context.WithoutCancel(ctx)) }()
	if err := build(ctx, db, false); err != nil {
		return err
	}
	d.steward = &steward{dsn: d.dsn, random: rulesChance(d.Seed), events: &d.events}
	if err := d.steward.begin(ctx, db); err != nil {
		return err
	}
	for _, t := range tables {
		if err := run(ctx, db, "insert into "+t.name+" select n, n % 6, null, n, 'n' || n from generate_series(1, 20) n"); err != nil {
			return err
		}
	}
	return nil
}

// follow starts the clients and returns how to wait for their end.
func (d *drill) follow(ctx context.Context) (wait func()) {
	var work sync.WaitGroup
	for i := range d.Clients {
		c := &client{
			name: fmt.Sprintf("client %d", i+1), goesOn: i%3 != 0, notes: newNotes(), nap: window * 3 / 2,
			random: rand.New(rand.NewPCG(d.Seed, uint64(100+i))), address: d.havoc.Clients.Addr(),
		}
		d.clients = append(d.clients, c)
		work.Go(func() { c.follow(ctx) })
	}
	return work.Wait
}

// mess is the run itself.
func (d *drill) mess(ctx context.Context) error {
	d.allLook(ctx, lastLimit)
	writing, stop := context.WithCancel(ctx)
	defer stop()
	var work sync.WaitGroup
	for i := range writers {
		w := &writer{dsn: d.dsn, pause: d.Pause, random: rand.New(rand.NewPCG(d.Seed, uint64(10+i))), acks: &d.acks}
		work.Go(func() { w.write(writing) })
	}
	messing, stopMessing := context.WithTimeout(ctx, d.Duration)
	defer stopMessing()
	if d.Peace {
		<-messing.Done()
	} else {
		work.Go(func() { d.steward.rule(writing) })
		d.havoc.Wreak(messing)
	}
	d.events.Note("calm")
	d.allLook(ctx, calmLimit)
	stop()
	work.Wait()
	d.allLook(ctx, lastLimit)
	return ctx.Err()
}

// allLook waits until all clients are answered something that they ask from now on. Those
// that are not are at fault.
func (d *drill) allLook(ctx context.Context, limit time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	from := time.Now().UnixNano()
	left := append([]*client{}, d.clients...)
	for {
		var still []*client
		for _, c := range left {
			if !c.notes.hasLooked(from) {
				still = append(still, c)
			}
		}
		if left = still; len(left) == 0 {
			return
		}
		if !program.Wait(ctx, 20*time.Millisecond) {
			break
		}
	}
	for _, c := range left {
		c.notes.blame(silent, c.name, "nothing that it asked in %s was answered", limit)
	}
}

// judge judges what all clients have held, and returns by how many opinions.
func (d *drill) judge(ctx context.Context) (asked int, err error) {
	db, err := pgx.Connect(ctx, d.dsn)
	if err != nil {
		return 0, err
	}
	defer func() { _ = db.Close(context.WithoutCancel(ctx)) }()
	history, err := readHistory(ctx, db)
	if err != nil {
		return 0, err
	}
	s, err := newShadow(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.close(context.WithoutCancel(ctx))) }()
	t := newTrial(s, history, d.steward.spans, d.acks.when)
	t.spoil = d.spoil
	var looks []look
	for _, c := range d.clients {
		looks = append(looks, c.notes.looks...)
		d.faults = append(d.faults, c.notes.faults...)
	}
	err = t.hear(ctx, looks)
	d.faults = append(d.faults, t.faults...)
	for _, f := range append(d.havoc.Walcast.Faults(), d.havoc.Faults()...) {
		d.faults = append(d.faults, fault{other, f})
	}
	return t.asked, err
}
