package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// peer is one socket of a crowd; handle gets what it reads, in order, in a
// goroutine of its own.
type peer struct {
	t    *testing.T
	conn *websocket.Conn
	vsn  string
	done chan struct{} // closed when reading has ended

	joined chan struct{} // closed when the first reply has come
	handle func(event string, payload []byte)
}

// vsnOf mixes the versions.
func vsnOf(i int) string { return []string{"1.0.0", "2.0.0"}[i%2] }

// peer opens a socket. It may be called from any goroutine; nil means that it
// failed and the test with it.
func (s *running) peer(t *testing.T, vsn, token string, handle func(event string, payload []byte)) *peer {
	conn, _, err := websocket.DefaultDialer.Dial("ws://"+s.Addr()+"/realtime/v1/websocket?vsn="+vsn+"&apikey="+token, nil)
	if err != nil {
		t.Errorf("dial: %v", err)
		return nil
	}
	p := &peer{t: t, conn: conn, vsn: vsn, done: make(chan struct{}), joined: make(chan struct{}), handle: handle}
	go p.read()
	return p
}

// read hands on text frames, and those of kind 4 as "broadcast" with their
// payload.
func (p *peer) read() {
	defer close(p.done)
	for replies := 0; ; {
		kind, data, err := p.conn.ReadMessage()
		if err != nil {
			return
		}
		event := "broadcast"
		var payload []byte
		if kind == websocket.BinaryMessage {
			payload = data[5+int(data[1])+int(data[2])+int(data[3]):]
		} else if event, payload, err = p.parse(data); err != nil {
			p.t.Errorf("read %s: %v", data, err)
		}
		if event == "phx_reply" {
			if replies++; replies == 1 {
				close(p.joined)
			}
		}
		p.handle(event, payload)
	}
}

func (p *peer) parse(text []byte) (event string, payload []byte, err error) {
	if p.vsn == "2.0.0" {
		var parts [5]json.RawMessage
		err = json.Unmarshal(text, &parts)
		return string(bytes.Trim(parts[3], `"`)), parts[4], err
	}
	var m struct {
		Event   string
		Payload json.RawMessage
	}
	err = json.Unmarshal(text, &m)
	return m.Event, m.Payload, err
}

// send pushes an event on a topic that was or will be joined with ref 1.
func (p *peer) send(topic, event, payload string) {
	text := fmt.Sprintf(`["1","1",%q,%q,%s]`, topic, event, payload)
	if p.vsn == "1.0.0" {
		text = fmt.Sprintf(`{"join_ref":"1","ref":"1","topic":%q,"event":%q,"payload":%s}`, topic, event, payload)
	}
	if err := p.conn.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		p.t.Errorf("send %s: %v", event, err)
	}
}

// broadcast sends as the version's clients do: in a binary frame of kind 3, or
// as text.
func (p *peer) broadcast(topic, payload string) {
	if p.vsn == "1.0.0" {
		p.send(topic, "broadcast", `{"type":"broadcast","event":"e","payload":`+payload+`}`)
		return
	}
	frame := append([]byte{3, 1, 1, byte(len(topic)), 1, 0, 1}, "11"+topic+"e"+payload...)
	if err := p.conn.WriteMessage(websocket.BinaryMessage, frame); err != nil {
		p.t.Errorf("send a broadcast: %v", err)
	}
}

func (p *peer) join(topic, config string) {
	p.send(topic, "phx_join", `{"config":`+config+`}`)
	select {
	case <-p.joined:
	case <-p.done:
		p.t.Error("the socket was closed before the join was answered")
	case <-time.After(4 * patience):
		p.t.Error("the join was not answered")
	}
}

// end closes the socket without a word and waits for the reader.
func (p *peer) end() {
	p.conn.Close()
	<-p.done
}

// each runs f for 0 to n-1, some at once.
func each(n, atOnce int, f func(i int)) {
	var wait sync.WaitGroup
	next := make(chan int)
	for range atOnce {
		wait.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wait.Wait()
}

// heard counts what one receiver has had of each sender.
type heard struct {
	mu    sync.Mutex
	next  []int // by sender
	all   int
	fault string
}

func (h *heard) take(event string, payload []byte) {
	if event != "broadcast" {
		return
	}
	from, n, err := numbersOf(payload)
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.fault != "":
	case err != nil:
		h.fault = fmt.Sprintf("%v in %s", err, payload)
	case h.next[from] != n:
		h.fault = fmt.Sprintf("of sender %d came %d instead of %d", from, n, h.next[from])
	}
	h.next[from] = n + 1
	h.all++
}

// numbersOf reads the sender and the number of a broadcast, which as text is
// inside its envelope.
func numbersOf(payload []byte) (from, n int, err error) {
	_, rest, _ := bytes.Cut(payload, []byte(`{"from":`))
	sender, rest, _ := bytes.Cut(rest, []byte(`,"n":`))
	number, _, _ := bytes.Cut(rest, []byte(`}`))
	if from, err = strconv.Atoi(string(sender)); err != nil {
		return from, n, err
	}
	n, err = strconv.Atoi(string(number))
	return from, n, err
}

// wait returns what is wrong when the receiver has heard all, or does not.
func (h *heard) wait(all int, deadline time.Time) string {
	for {
		h.mu.Lock()
		n, fault := h.all, h.fault
		h.mu.Unlock()
		switch {
		case fault != "":
			return fault
		case n == all:
			return ""
		case n > all || time.Now().After(deadline):
			return fmt.Sprintf("%d broadcasts came, want %d", n, all)
		}
		<-time.After(time.Millisecond)
	}
}

// TestSoakOverSockets has 100 senders and 1,000 receivers of both versions on one
// topic: every receiver gets every broadcast, in its sender's order.
func TestSoakOverSockets(t *testing.T) {
	const senders, receivers, rounds = 100, 1000, 3
	s := startServer(t, configFor(appDatabase(t)))
	key := token(t)
	const topic, config = "realtime:crowd", `{"presence":{"enabled":false}}`
	peers, counts := make([]*peer, senders+receivers), make([]*heard, senders+receivers)
	each(len(peers), 16, func(i int) {
		counts[i] = &heard{next: make([]int, senders)}
		if peers[i] = s.peer(t, vsnOf(i), key, counts[i].take); peers[i] != nil {
			peers[i].join(topic, config)
		}
	})
	defer each(len(peers), 16, func(i int) {
		if peers[i] != nil {
			peers[i].end()
		}
	})
	if t.Failed() {
		return
	}
	start := time.Now()
	each(senders, senders, func(i int) {
		for n := range rounds {
			peers[i].broadcast(topic, fmt.Sprintf(`{"from":%d,"n":%d}`, i, n))
		}
	})
	deadline := time.Now().Add(6 * patience)
	for i, h := range counts {
		want := senders * rounds
		if i < senders { // not its own
			want -= rounds
		}
		if fault := h.wait(want, deadline); fault != "" {
			t.Fatalf("receiver %d, vsn %s: %s", i, vsnOf(i), fault)
		}
	}
	t.Logf("%d deliveries in %s", (senders+receivers)*senders*rounds, time.Since(start))
}
