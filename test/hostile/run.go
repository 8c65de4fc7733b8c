package hostile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"walcast/test/program"
)

// Options of a run.
type Options struct {
	Binary   string // of walcast
	DSN      string // of an empty database that has Supabase's roles
	State    string // an empty folder
	Attack   attack
	Seed     uint64
	Calm     time.Duration // before the attack, and after it
	Duration time.Duration // of the attack
	Settle   time.Duration // how long memory may take to come back; 0 does not wait for it
}

// run is one attack beside one victim.
type run struct {
	Options
	walcast *process
	victim  *victim
	begun   time.Time // when the attackers were let loose
	outcome outcome
}

// runAttack makes the world, attacks, and says what it has found.
func runAttack(ctx context.Context, o Options) (outcome, error) {
	r := &run{Options: o, outcome: outcome{attack: name(o.Attack)}}
	if err := r.prepare(ctx); err != nil {
		return outcome{}, err
	}
	walcast, err := startProcess(o.Binary, o.DSN, o.State)
	if err != nil {
		return outcome{}, err
	}
	r.walcast = walcast
	err = walcast.ready(ctx)
	if err == nil {
		err = r.measure(ctx)
	}
	if stopped := walcast.stop(); stopped != nil {
		r.blame(stopped.Error())
	}
	if err != nil {
		return outcome{}, err
	}
	for _, line := range walcast.log.crashed() {
		r.blame("walcast printed " + line)
	}
	r.outcome.state, err = walcast.stateSize()
	return r.outcome, err
}

func (r *run) blame(what string) { r.outcome.faults = append(r.outcome.faults, what) }

// prepare makes the database.
func (r *run) prepare(ctx context.Context) error {
	if text, err := exec.CommandContext(ctx, r.Binary, "migrate", "--database-url", r.DSN).CombinedOutput(); err != nil {
		return fmt.Errorf("make the schema realtime: %w\n%s", err, text)
	}
	db, err := pgx.Connect(ctx, r.DSN)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close(context.WithoutCancel(ctx)) }()
	for _, statement := range append(append(commonWorld(), r.Attack.world()...), publish) {
		if _, err := db.Exec(ctx, statement); err != nil {
			return fmt.Errorf("make the world: %s: %w", statement, err)
		}
	}
	return nil
}

// measure has the victim live through the attack.
func (r *run) measure(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r.victim = newVictim(r.walcast.Address)
	acting, rest := context.WithCancel(ctx) // what the victim has to hear of
	defer rest()
	var all, actors sync.WaitGroup
	defer all.Wait()
	defer cancel()
	all.Go(func() { r.victim.listen(ctx) })
	for range r.victim.joins {
		select {
		case <-r.victim.ready:
		case <-time.After(program.Limit):
			return fmt.Errorf("the victim cannot begin: %v\n%s", r.victim.faults, r.walcast.log.tail())
		}
	}
	all.Go(func() { r.victim.befriend(ctx, acting) })
	var writing error
	actors.Go(func() { writing = r.victim.write(acting, r.DSN) })
	actors.Go(func() { r.outcome.visits = visits(acting, r.walcast.Address) })
	r.attack(ctx)
	rest()
	actors.Wait()
	r.victim.catchUp(ctx)
	var streams []judged
	for _, s := range r.victim.streams {
		streams = append(streams, s.judge(r.begun))
	}
	r.outcome.streams = fold(streams)
	r.victim.mu.Lock()
	defer r.victim.mu.Unlock()
	r.outcome.faults = append(r.outcome.faults, r.victim.faults...)
	return writing
}

// attack lets the attackers loose, and watches the server's memory from before
// they come until what they took is given back.
func (r *run) attack(ctx context.Context) {
	program.Wait(ctx, r.Calm)
	now, _, _ := r.walcast.memory()
	r.outcome.before = now
	r.begun = time.Now()
	logged := r.walcast.log.size()
	guarded, relax := context.WithCancel(ctx)
	var guard sync.WaitGroup
	guard.Go(func() { r.guard(guarded) })
	tally, err := runAttackers(ctx, order{
		Attack: r.outcome.attack, Address: r.walcast.Address, DSN: r.DSN, Seed: r.Seed, Duration: r.Duration,
	})
	if err != nil {
		r.blame(err.Error())
	}
	r.outcome.tally = tally
	program.Wait(ctx, r.Calm)
	r.settle(ctx)
	relax()
	guard.Wait()
	r.outcome.running = time.Since(r.begun)
	r.outcome.logged = r.walcast.log.size() - logged
}

// guard ends a server that would take the machine's memory.
func (r *run) guard(ctx context.Context) {
	for program.Wait(ctx, 100*time.Millisecond) && !r.walcast.Ended() {
		now, highest, err := r.walcast.memory()
		if err != nil {
			continue // ended meanwhile, or a system that does not tell
		}
		r.outcome.peak = highest
		if now > killLimit {
			r.walcast.Kill()
		}
	}
}

// settle waits until the memory that the server has taken is given back.
func (r *run) settle(ctx context.Context) {
	left := time.Now()
	for {
		now, _, err := r.walcast.memory()
		if err == nil {
			r.outcome.after = now
		}
		r.outcome.settled = time.Since(left)
		if err != nil || now <= restLimit || r.outcome.settled > r.Settle || !program.Wait(ctx, 200*time.Millisecond) {
			return
		}
	}
}

// leaveLimit is how long attackers may take to leave: they have what is left of the
// processors.
const leaveLimit = time.Minute

// runAttackers runs the attack as a process of its own, that is this program.
func runAttackers(ctx context.Context, o order) (map[string]int, error) {
	input, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, o.Duration+leaveLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "nice", "-n", "10", os.Args[0])
	cmd.Env = append(os.Environ(), orderVariable+"=1")
	var out, trouble bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &trouble
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start attackers: %w", err)
	}
	_, err = stdin.Write(append(input, '\n'))
	ended := cmd.Wait()
	var a account
	if err := errors.Join(err, ended, json.Unmarshal(out.Bytes(), &a)); err != nil {
		return nil, fmt.Errorf("attackers: %w\n%.2000s", err, trouble.String())
	}
	if a.Error != "" {
		return a.Tally, fmt.Errorf("attackers: %s", a.Error)
	}
	return a.Tally, nil
}
