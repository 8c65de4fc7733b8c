package livedrill

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"walcast/internal/devdb"
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
	random   *rand.Rand
	postgres *devdb.Server
	dsn      string // of Postgres, past the proxy
	walcast  *havoc.Process
	havoc    *havoc.Havoc
	clients  []*client
	events   program.Logbook // of what the drill does
	steward  *steward
	acks     acks
	faults   []fault
}

// Run makes a mess for Options.Duration and judges what the clients have held. An error
// means that the drill itself did not work.
func Run(ctx context.Context, o Options) (_ *Report, err error) {
	d := &drill{Options: o, random: rand.New(rand.NewPCG(o.Seed, 0)), acks: acks{when: map[uint32]int64{}}}
	defer func() { err = errors.Join(err, d.tearDown()) }()
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
	if d.postgres, err = devdb.Start(ctx, devdb.Options{TCP: true, Settings: map[string]string{"wal_sender_timeout": "10s"}}); err != nil {
		return err
	}
	d.dsn = d.postgres.DSN("postgres")
	if err := d.makeTables(ctx); err != nil {
		return err
	}
	d.havoc = &havoc.Havoc{
		Random: rand.New(rand.NewPCG(d.Seed, 1)), Postgres: d.postgres, Log: &d.events,
		Pause: 500 * time.Millisecond,
	}
	if d.havoc.Database, err = havoc.NewProxy(fmt.Sprintf("127.0.0.1:%d", d.postgres.Port), nil); err != nil {
		return err
	}
	address, err := havoc.FreeAddress()
	if err != nil {
		return err
	}
	if d.havoc.Clients, err = havoc.NewProxy(address, d.sieve); err != nil {
		return err
	}
	d.walcast = &havoc.Process{Binary: d.Binary, Address: address, Log: &program.Logbook{}, Args: []string{
		"serve", "--listen", address, "--state-dir", d.State, "--jwt-secret", program.Secret, "--publication", publication,
		"--database-url", "postgres://postgres@" + d.havoc.Database.Addr() + "/postgres?sslmode=disable", "--start-timeout", "2m",
		"--resume-window", window.String(), "--log-size", pick(d.random, "2MiB", "8MiB", "64MiB"),
		"--queue-size", pick(d.random, "64KiB", "256KiB", "4MiB"),
		"--idle-timeout", "10s", "--ping-interval", "4s", "--write-timeout", "5s",
	}}
	d.havoc.Walcast = d.walcast
	if err := d.walcast.Start(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, lastLimit)
	defer cancel()
	return d.walcast.Ready(ctx)
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
	d.steward = &steward{dsn: d.dsn, random: rand.New(rand.NewPCG(d.Seed, 2)), events: &d.events}
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
	for _, f := range append(d.walcast.Faults(), d.havoc.Faults()...) {
		d.faults = append(d.faults, fault{other, f})
	}
	return t.asked, err
}

// tearDown ends everything.
func (d *drill) tearDown() (err error) {
	if d.walcast != nil {
		d.walcast.End(syscall.SIGTERM)
	}
	if d.havoc != nil {
		for _, p := range []*havoc.Proxy{d.havoc.Clients, d.havoc.Database} {
			if p != nil {
				p.Close()
			}
		}
	}
	if d.postgres != nil {
		err = errors.Join(err, d.postgres.Stop())
	}
	return err
}
