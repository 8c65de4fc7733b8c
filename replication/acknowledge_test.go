package replication

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"walcast/replication/changelog"
	"walcast/replication/wal"
)

// update is a status update as the server reads it.
type update struct {
	write, flush, apply wal.LSN
	reply               bool
}

// acknowledging is an acknowledger at work, whose updates a test reads.
type acknowledging struct {
	*acknowledger
	server net.Conn
	log    *changelog.Log
	done   chan error
	cancel context.CancelFunc
}

// acknowledge starts an acknowledger at 0/100, with updates every second.
func acknowledge(t *testing.T, c changelog.Config) *acknowledging {
	t.Helper()
	client, server := net.Pipe()
	log := changelog.New(c)
	log.Begin(changelog.History{System: "1", Timeline: 1, Slot: "s"}, 0x100, "")
	timing := defaultTiming()
	timing.tick, timing.statusUpdate = 100*time.Millisecond, time.Second
	ack := &acknowledger{
		log: log, conn: client, socket: newSocketReader(), progress: &progress{}, timing: timing.streamTiming,
		patience: timing.silence, hurry: func() bool { return false },
		requested: make(chan struct{}, 1), confirmed: 0x100,
	}
	ack.received(0x100)
	a := &acknowledging{acknowledger: ack, server: server, log: log, done: make(chan error, 1)}
	var ctx context.Context
	ctx, a.cancel = context.WithCancel(t.Context())
	go func() { a.done <- ack.run(ctx) }()
	t.Cleanup(func() {
		a.cancel()
		server.Close()
		client.Close()
	})
	return a
}

// next reads one update from the wire.
func (a *acknowledging) next(t *testing.T) update {
	t.Helper()
	frame := make([]byte, 5+statusLength)
	for read := 0; read < len(frame); {
		n, err := a.server.Read(frame[read:])
		if err != nil {
			t.Fatalf("read update: %v", err)
		}
		read += n
	}
	if frame[0] != 'd' || frame[5] != 'r' {
		t.Fatalf("got message %x; want a status update", frame)
	}
	lsn := func(at int) wal.LSN { return wal.LSN(binary.BigEndian.Uint64(frame[at:])) }
	return update{write: lsn(6), flush: lsn(14), apply: lsn(22), reply: frame[38] == 1}
}

func TestWhatLeftTheWindowIsConfirmedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := acknowledge(t, changelog.Config{Window: 10 * time.Second})
		want := func(want update) {
			t.Helper()
			if got := a.next(t); got != want {
				t.Fatalf("update %+v; want %+v", got, want)
			}
		}
		want(update{write: 0x100}) // at once
		a.log.Append(time.Now(), nil, 0x200)
		a.received(0x200)
		for range 9 {
			want(update{write: 0x200}) // held
		}
		want(update{write: 0x200, flush: 0x200}) // it has left the window
		want(update{write: 0x200})
		want(update{write: 0x200}) // and is not confirmed again
		a.cancel()
		if err := <-a.done; err != nil {
			t.Errorf("run = %v; want nil", err)
		}
	})
}

func TestNothingIsConfirmedThatDidNotComeOverThisConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := acknowledge(t, changelog.Config{})
		a.next(t)
		a.log.Append(time.Now(), nil, 0x300) // an earlier connection brought it
		for range 3 {
			if got := a.next(t); got.flush != 0 {
				t.Fatalf("update %+v confirms what this connection has not brought", got)
			}
		}
		a.received(0x300)
		for {
			if got := a.next(t); got.flush == 0x300 {
				return
			} else if got.flush != 0 {
				t.Fatalf("update %+v; want 0/300 confirmed", got)
			}
		}
	})
}

func TestAWholeSegmentIsConfirmedOutOfTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := acknowledge(t, changelog.Config{})
		a.next(t)
		began := time.Now()
		a.log.Append(began, nil, 0x100+confirmStep)
		a.received(0x100 + confirmStep)
		if got := a.next(t); got.flush != 0x100+confirmStep || time.Since(began) > 200*time.Millisecond {
			t.Errorf("update %+v after %v; want a segment confirmed before the interval of 1s", got, time.Since(began))
		}
	})
}

func TestARequestedStatusUpdateIsSentAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := acknowledge(t, changelog.Config{})
		a.next(t)
		began := time.Now()
		a.received(0x180)
		a.request()
		if got := a.next(t); got != (update{write: 0x180}) || time.Since(began) != 0 {
			t.Errorf("update %+v after %v; want one at once with write 0/180", got, time.Since(began))
		}
	})
}

func TestASilentServerIsAskedAndThenLeft(t *testing.T) {
	for stalls, factor := range map[int]time.Duration{0: 1, 2: 4, 100: maxStallFactor} {
		synctest.Test(t, func(t *testing.T) {
			a := acknowledge(t, changelog.Config{})
			a.cancel()
			go a.drain()
			<-a.done
			a.patience = stallPatience(a.timing.silence, stalls)
			began := time.Now()
			a.socket.waiting.set(began) // reading, and nothing comes
			err := a.run(t.Context())
			if !errors.Is(err, errStalled) {
				t.Fatalf("run = %v; want %v", err, errStalled)
			}
			limit := a.timing.silence * factor
			if waited := time.Since(began); waited < limit || waited > limit+time.Second {
				t.Errorf("left after %v with %d stalls before; want %v", waited, stalls, limit)
			}
		})
	}
}

// TestAServerThatAnswersIsAskedAgain, each time that it has been silent for a while:
// the answer may come so soon that the next look finds a silence as long as the first.
func TestAServerThatAnswersIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		timing := defaultTiming().streamTiming
		a := acknowledge(t, changelog.Config{})
		a.cancel()
		drained := make(chan struct{})
		go func() {
			defer close(drained)
			a.drain()
		}()
		<-a.done
		a.server.Close()
		<-drained
		a.timing.tick, a.timing.ask = timing.tick, timing.ask
		client, server := net.Pipe()
		a.conn, a.server = client, server
		a.socket.waiting.set(time.Now())
		ctx, cancel := context.WithCancel(t.Context())
		go func() { a.done <- a.run(ctx) }()
		for began := time.Now(); time.Since(began) < time.Minute; {
			asked := a.next(t).reply
			if silence := a.socket.silence(time.Now()); silence > timing.ask+timing.tick {
				t.Fatalf("it was silent for %v; want it to be asked by then", silence)
			}
			if asked {
				a.socket.waiting.set(time.Now()) // its answer
			}
		}
		cancel()
		if err := <-a.done; err != nil {
			t.Errorf("run = %v; want nil", err)
		}
		server.Close()
		client.Close()
	})
}

func (a *acknowledging) drain() {
	buffer := make([]byte, 1024)
	for {
		if _, err := a.server.Read(buffer); err != nil {
			return
		}
	}
}

func TestAServerThatTakesNoUpdatesIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := acknowledge(t, changelog.Config{}) // nobody reads
		err := <-a.done
		if f := classify(err, target{}); f.cause != causeNetwork {
			t.Errorf("run = %v, cause %s; want a network fault", err, f.cause)
		}
	})
}
