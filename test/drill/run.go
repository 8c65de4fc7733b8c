package drill

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"walcast/internal/devdb"
	"walcast/test/havoc"
	"walcast/test/program"
)

// Options of a run.
type Options struct {
	Binary   string        // walcast, built
	Nodes    int           // of a cluster; 0 and 1 are a server without others
	Node     string        // folder of clients.mjs with its packages installed; "" goes without
	State    string        // folder for walcast's state
	Seed     uint64        // of everything that is random
	Duration time.Duration // of the mess
	Pause    time.Duration // between two transactions of a writer, on average
	Peace    bool          // nothing is harmed
	Each     int           // clients of each kind

	sieve func() havoc.Sieve // see havoc.Proxy
}

// How long things may take when nothing is in their way any more.
const (
	pulseLimit = 90 * time.Second
	lastLimit  = 60 * time.Second
	writers    = 3
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
	node    *nodeClients
	events  program.Logbook // of what the drill does
	pulses  int
	faults  []havoc.Fault
	rows    []written
}

// Run makes a mess for Options.Duration and judges what the clients have seen.
// An error means that the drill itself did not work.
func Run(ctx context.Context, o Options) (_ *Report, err error) {
	d := &drill{Options: o, random: rand.New(rand.NewPCG(o.Seed, 0))}
	if err := d.prepare(ctx); err != nil {
		return nil, errors.Join(err, d.tearDown())
	}
	defer func() { err = errors.Join(err, d.tearDown()) }()
	following, stopFollowing := context.WithCancel(ctx)
	defer stopFollowing()
	wait, err := d.follow(following)
	if err != nil {
		return nil, err
	}
	err = d.mess(ctx)
	stopFollowing()
	wait()
	if err != nil {
		return nil, err
	}
	if err := d.learn(ctx); err != nil {
		return nil, err
	}
	d.judge()
	return d.report(), nil
}

// prepare starts Postgres, walcast and the proxies.
func (d *drill) prepare(ctx context.Context) (err error) {
	d.havoc, err = havoc.Open(ctx, havoc.Scene{
		Binary: d.Binary, Nodes: d.Nodes, State: d.State, Publication: publication, Window: window, Random: d.random, Seed: d.Seed, Sieve: d.sieve, Log: &d.events,
	}, func(ctx context.Context, dsn string) error {
		d.dsn = dsn
		return d.makeTables(ctx)
	})
	return err
}

func (d *drill) makeTables(ctx context.Context) error {
	db, err := pgx.Connect(ctx, d.dsn)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close(context.WithoutCancel(ctx)) }()
	if err := devdb.CreateSupabaseRoles(ctx, db); err != nil {
		return err
	}
	for _, statement := range schema() {
		if _, err := db.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

// follow starts the clients and returns how to wait for their end.
func (d *drill) follow(ctx context.Context) (wait func(), err error) {
	var work sync.WaitGroup
	address := d.havoc.Clients.Addr()
	var inNode []*client
	for _, k := range kinds {
		if k.visit == nil && d.Node == "" {
			continue
		}
		for i := range d.Each {
			c := &client{name: fmt.Sprintf("%s %d", k.kind, i+1), kind: k.kind, diary: newDiary(), nap: window * 3 / 2}
			c.want = interests[len(d.clients)%len(interests)]
			c.random = rand.New(rand.NewPCG(d.Seed, uint64(100+len(d.clients))))
			c.token = c.want.token()
			d.clients = append(d.clients, c)
			if k.visit == nil {
				inNode = append(inNode, c)
				continue
			}
			work.Go(func() { c.follow(ctx, k.visit(address)) })
		}
	}
	if len(inNode) > 0 {
		if d.node, err = startNode(context.WithoutCancel(ctx), d.Node, address, inNode, &d.events); err != nil {
			return nil, err
		}
	}
	return work.Wait, nil
}

// mess is the run itself: from the first row that all must have to the last.
func (d *drill) mess(ctx context.Context) error {
	if err := d.until(ctx, lastLimit, "all clients to have joined", (*diary).isJoined); err != nil {
		return err
	}
	if err := d.pulse(ctx, lastLimit); err != nil {
		return err
	}
	writing, stopWriting := context.WithCancel(ctx)
	defer stopWriting()
	var work sync.WaitGroup
	for i := range writers {
		w := &writer{id: i + 1, dsn: d.dsn, pause: d.Pause, random: rand.New(rand.NewPCG(d.Seed, uint64(10+i)))}
		work.Go(func() { w.write(writing) })
	}
	work.Go(func() { disturb(writing, d.dsn, rand.New(rand.NewPCG(d.Seed, 9))) })
	messing, stopMessing := context.WithTimeout(ctx, d.Duration)
	defer stopMessing()
	if d.Peace {
		<-messing.Done()
	} else {
		d.havoc.Wreak(messing)
	}
	d.events.Note("calm")
	err := d.pulse(ctx, pulseLimit+window*3/2)
	stopWriting()
	work.Wait()
	if err != nil || ctx.Err() != nil {
		return errors.Join(err, ctx.Err())
	}
	return d.pulse(ctx, lastLimit)
}

// pulse writes rows for all clients until each has got one. A client that has got
// none when limit is over is at fault.
func (d *drill) pulse(ctx context.Context, limit time.Duration) error {
	first := d.pulses
	end := time.Now().Add(limit)
	for time.Now().Before(end) {
		if err := pulse(ctx, d.dsn, d.pulses); err != nil {
			return err
		}
		d.pulses++
		if d.until(ctx, 3*time.Second, "", func(j *diary) bool { return j.has(first) }) == nil {
			return nil
		}
	}
	for _, c := range d.clients {
		if !c.diary.has(first) {
			d.faults = append(d.faults, havoc.Fault{Client: c.name, Time: time.Now().UnixNano(), Text: fmt.Sprintf("silent: rows that were written %s ago have not come", limit)})
		}
	}
	return nil
}

// until waits until a condition holds for all diaries.
func (d *drill) until(ctx context.Context, limit time.Duration, what string, holds func(*diary) bool) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		all := true
		for _, c := range d.clients {
			all = all && holds(c.diary)
		}
		if all {
			return nil
		}
		if !program.Wait(ctx, 20*time.Millisecond) {
			return fmt.Errorf("wait for %s: %w\n%s", what, ctx.Err(), d.havoc.Walcast.Around(time.Now().UnixNano(), limit, 0, 0))
		}
	}
}

// learn reads what was committed.
func (d *drill) learn(ctx context.Context) error {
	db, err := pgx.Connect(ctx, d.dsn)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close(context.WithoutCancel(ctx)) }()
	d.rows, err = readTruth(ctx, db)
	return err
}

// tearDown ends everything.
func (d *drill) tearDown() (err error) {
	if d.node != nil {
		err = d.node.stop()
	}
	return errors.Join(err, d.havoc.Close())
}
