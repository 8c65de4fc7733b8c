package server

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"walcast/internal/devdb"
)

const (
	stormUsers = 100
	stormFor   = 14 * time.Second
	stormOut   = 13 * time.Second // how long a user who was removed stays out, at least
	stormCheck = 500 * time.Millisecond
	// stormLate is how long after a removal something may still come: read-check,
	// and time for a loaded machine.
	stormLate = stormCheck + 10*time.Second
	// stormBack is how long before its return a message may have been sent that
	// still reaches a member: one from SQL that is committed before the join, and
	// read from the WAL after it, is delivered.
	stormBack = 2 * time.Second
)

// TestNobodyGetsWhatIsSentWhileTheyAreOut removes members of a private room and
// takes them in again at random, some with their sockets gone meanwhile, while
// messages flow from a client and from SQL. Half of them are members by a table
// whose changes nothing tells. Nobody gets a message that is sent later than
// read-check after they were removed and before they are back, not even later but
// for what is on its way just then.
func TestNobodyGetsWhatIsSentWhileTheyAreOut(t *testing.T) {
	db := roomsDatabase(t)
	s := startServer(t, roomsConfig(db, stormCheck))
	storm := &storm{T: t, db: db, server: s}
	for i := range storm.users {
		storm.users[i].init(i)
		storm.take(&storm.users[i])
		storm.users[i].connect(s, t)
	}
	stop := storm.talk(s.user(t, "service_role", "", ""))
	for end := time.Now().Add(stormFor); time.Now().Before(end); {
		storm.turn(&storm.users[rand.N(stormUsers)])
	}
	for i := range storm.users { // all are back in the end
		if m := &storm.users[i]; m.out() {
			<-time.After(time.Until(m.outs[len(m.outs)-1].from.Add(stormOut)))
			storm.bring(m)
		}
	}
	last := stop()
	for i := range storm.users {
		storm.check(&storm.users[i], last)
	}
}

// storm is the room and everybody in it.
type storm struct {
	*testing.T
	db     *devdb.DB
	server *running
	users  [stormUsers]stormUser

	mu   sync.Mutex
	sent []span // by number: when each message was sent
}

// span is a time between two moments; to is zero while it lasts.
type span struct{ from, to time.Time }

// stormUser is one user. All but what comes belongs to the test's goroutine.
type stormUser struct {
	sub, table string
	conn       *websocket.Conn
	joins      int
	outs       []span // when it was certainly no member

	mu   sync.Mutex
	came map[int]time.Time // when messages came first, by number
	done chan struct{}     // closed when nothing comes any more from conn
}

func (m *stormUser) init(n int) {
	m.sub, m.table, m.came = userID(n), []string{"members", "guests"}[n%2], map[int]time.Time{}
}

func (m *stormUser) out() bool { return len(m.outs) > 0 && m.outs[len(m.outs)-1].to.IsZero() }

func (m *stormUser) connect(s *running, t *testing.T) {
	t.Helper()
	m.conn, m.done = s.user(t, "authenticated", m.sub, m.sub).conn, make(chan struct{})
	go m.read(m.conn, m.done)
	m.join(t)
}

func (m *stormUser) join(t *testing.T) {
	t.Helper()
	m.joins++
	text := fmt.Sprintf(`{"topic":"realtime:room","event":"phx_join","payload":{"config":{"private":true}},"ref":"%d","join_ref":"%[1]d"}`, m.joins)
	if err := m.conn.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func (m *stormUser) read(conn *websocket.Conn, done chan struct{}) {
	defer close(done)
	for {
		_, text, err := conn.ReadMessage()
		if err != nil {
			return
		}
		var f struct {
			Event   string
			Payload struct{ Payload struct{ N *int } }
		}
		if json.Unmarshal(text, &f) == nil && f.Event == "broadcast" && f.Payload.Payload.N != nil {
			m.note(*f.Payload.Payload.N)
		}
	}
}

func (m *stormUser) note(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.came[n].IsZero() {
		m.came[n] = time.Now()
	}
}

// newest is the number of the newest message that came.
func (m *stormUser) newest() (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for of := range m.came {
		n = max(n, of)
	}
	return n
}

func (s *storm) take(m *stormUser) {
	s.db.Exec("insert into "+m.table+" values ('room', $1)", m.sub)
}

// turn removes a member, or brings back one that is out for long enough.
func (s *storm) turn(m *stormUser) {
	switch {
	case !m.out():
		if rand.N(3) == 0 { // its client is away meanwhile
			m.conn.Close()
			<-m.done
		}
		s.db.Exec("delete from "+m.table+" where usr = $1", m.sub)
		m.outs = append(m.outs, span{from: time.Now()})
	case time.Since(m.outs[len(m.outs)-1].from) > stormOut:
		s.bring(m)
	}
	<-time.After(5 * time.Millisecond) // leave the machine to others
}

func (s *storm) bring(m *stormUser) {
	m.outs[len(m.outs)-1].to = time.Now()
	s.take(m)
	select {
	case <-m.done:
		m.connect(s.server, s.T)
	default:
		m.join(s.T)
	}
}

// talk sends messages until stop is called, which returns the number of the last.
func (s *storm) talk(talker *client) (stop func() int) {
	talker.mustEnter(`,"broadcast":{"ack":true}`)
	ended, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			select {
			case <-ended:
				return
			case <-time.After(50 * time.Millisecond):
			}
			from := time.Now()
			if n%2 == 0 {
				talker.send("9", "realtime:room", "broadcast", fmt.Sprintf(`{"type":"broadcast","event":"e","payload":{"n":%d}}`, n))
				talker.next("phx_reply") // by then it has been sent
			} else {
				s.db.Exec(`select realtime.send(jsonb_build_object('n', $1::int), 'e', 'room', true)`, n)
			}
			s.noteSent(span{from, time.Now()})
		}
	}()
	return func() int {
		s.await(s.last()) // everybody who is back hears
		close(ended)
		<-done
		last := s.last()
		s.await(last)
		return last
	}
}

// last is the number of the message that was sent last.
func (s *storm) last() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sent) - 1
}

// await waits until everybody has a message from n on, for a while at most.
func (s *storm) await(n int) {
	for end := time.Now().Add(stormLate); time.Now().Before(end); <-time.After(20 * time.Millisecond) {
		heard := 0
		for i := range s.users {
			if s.users[i].newest() >= n {
				heard++
			}
		}
		if heard == stormUsers {
			return
		}
	}
}

func (s *storm) noteSent(at span) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = append(s.sent, at)
}

// check wants a member to have what is for it and nothing else.
func (s *storm) check(m *stormUser, last int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var wrong []string
	for n, at := range m.came {
		for _, out := range m.outs {
			late, isBack := out.from.Add(stormLate), at.After(out.to) && s.sent[n].to.After(out.to.Add(-stormBack))
			if s.sent[n].from.After(late) && s.sent[n].to.Before(out.to) && !isBack {
				wrong = append(wrong, fmt.Sprintf("message %d, sent %s after its removal, came %s after it", n, s.sent[n].from.Sub(out.from), at.Sub(out.from)))
			}
		}
	}
	if len(wrong) > 0 {
		s.Errorf("member of %s, out %d times, got what is not for it:\n%s", m.table, len(m.outs), strings.Join(wrong, "\n"))
	}
	if m.came[last].IsZero() {
		s.Errorf("member of %s, out %d times, does not get message %d, which is for it", m.table, len(m.outs), last)
	}
}
