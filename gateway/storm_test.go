package gateway

import (
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"walcast/protocol"
)

// TestStorm lets a few hundred clients come, talk, misbehave and die at random
// while others speak to everybody: afterwards nobody is left, nothing is kept, and
// a client that only listened has missed nothing.
func TestStorm(t *testing.T) {
	r := start(t, func(c *Config) {
		c.QueueBytes, c.CloseTimeout, c.MaxFrame = 1<<20, 200*time.Millisecond, 10_000
	})
	listener := r.dial(t)
	eventually(t, "the listener is there", func() bool { return r.hub.size() == 1 })

	path := strings.TrimPrefix(r.url(t), "ws://"+r.addr)
	var storm sync.WaitGroup
	end := time.Now().Add(3 * time.Second)
	for range 200 {
		storm.Go(func() {
			for time.Now().Before(end) {
				misbehave(t, r, path)
			}
		})
	}
	const said = 300
	storm.Go(func() {
		pace := time.NewTicker(5 * time.Millisecond)
		defer pace.Stop()
		for i := range said {
			<-pace.C
			r.hub.say(protocol.V2.Push("", "", "realtime:news", "n", fmt.Appendf(nil, "%d", i)))
		}
	})
	for i := 0; i < said; {
		listener.SetReadDeadline(time.Now().Add(patience))
		_, got, err := listener.ReadMessage()
		if err != nil {
			t.Fatalf("the listener, waiting for %d: %v", i, err)
		}
		if string(got) == fmt.Sprintf(`[null,null,"realtime:news","n",%d]`, i) {
			i++ // others talk in between
		}
	}
	storm.Wait()
	eventually(t, "the storm is over", func() bool { return r.hub.size() == 1 })
	if got := r.sample(t, "walcast_gateway_sessions"); got != 1 {
		t.Errorf("sessions = %v, want 1", got)
	}
	var stats runtime.MemStats
	runtime.GC()
	if runtime.ReadMemStats(&stats); stats.HeapAlloc > 64<<20 {
		t.Errorf("heap after the storm = %d bytes, want less than 64 MiB", stats.HeapAlloc)
	}
}

// misbehave opens a session, does something at random, and ends it in some way.
func misbehave(t *testing.T, r *running, path string) {
	conn, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Errorf("dial: %v", err)
		return
	}
	defer conn.Close()
	if rand.IntN(10) == 0 {
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nUpg", path) // gone in the middle
		return
	}
	if err := shake(conn, path); err != nil {
		t.Errorf("%v", err)
		return
	}
	read := make([]byte, 1024)
	for range rand.IntN(10) {
		conn.SetDeadline(time.Now().Add(time.Second))
		var err error
		switch rand.IntN(6) {
		case 0:
			_, err = conn.Write(masked(0x1, []byte(heartbeat)))
		case 1:
			_, err = conn.Write(masked(0x1, []byte(`["1",null,"realtime:talk","broadcast",{}]`)))
		case 2:
			_, err = conn.Write(masked(0x9, []byte("ping")))
		case 3:
			_, err = conn.Write(masked(0x2, make([]byte, rand.IntN(12_000))))
		case 4:
			_, err = conn.Write(masked(0x8, nil))
		case 5:
			_, err = conn.Read(read)
		}
		if err != nil {
			return
		}
	}
	if rand.IntN(4) == 0 {
		conn.(*net.TCPConn).SetLinger(0) // a reset instead of an end
	}
}

// masked builds a client's frame with a mask of zeros.
func masked(opcode byte, payload []byte) []byte {
	head := []byte{0x80 | opcode, 0x80 | byte(len(payload))}
	if len(payload) > 125 {
		head = []byte{0x80 | opcode, 0x80 | 126, byte(len(payload) >> 8), byte(len(payload))}
	}
	return append(append(head, 0, 0, 0, 0), payload...)
}
