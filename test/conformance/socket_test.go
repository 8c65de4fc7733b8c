package conformance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// socket is one client. What it receives waits in lanes until it is compared.
type socket struct {
	listener
	conn  *websocket.Conn
	ended chan struct{} // closed when nothing more is received

	mu    sync.Mutex
	lanes map[lane][]frame
	news  chan struct{} // closed and replaced whenever something arrives
}

// listener is how a socket listens.
type listener struct {
	silent  bool // it does not even answer pings
	groups  bool // see parse
	markers bool // it gets markers
}

// dial connects, and receives until the test ends.
func dial(t *testing.T, d *websocket.Dialer, url string, header http.Header, l listener) *socket {
	t.Helper()
	conn, answer, err := d.DialContext(t.Context(), url, header)
	for end := time.Now().Add(patience); full(answer) && time.Now().Before(end); {
		<-time.After(20 * time.Millisecond) // a session that has just closed may still be counted
		conn, answer, err = d.DialContext(t.Context(), url, header)
	}
	if err != nil {
		t.Fatalf("dial %.120s: %v (%v)", url, err, answer)
	}
	s := &socket{conn: conn, listener: l, ended: make(chan struct{}), lanes: map[lane][]frame{}, news: make(chan struct{})}
	conn.SetPongHandler(func(payload string) error {
		s.add(parse(fmt.Appendf(nil, `{"ws_pong":%q}`, payload), false))
		return nil
	})
	conn.SetPingHandler(s.answer)
	go s.receive()
	t.Cleanup(s.close)
	return s
}

// answer answers a ping. The library's own handler allows a second for it, and
// after that nothing is sent on the connection any more.
func (s *socket) answer(payload string) error {
	if s.silent {
		return nil
	}
	err := s.conn.WriteControl(websocket.PongMessage, []byte(payload), time.Now().Add(patience))
	if errors.Is(err, websocket.ErrCloseSent) {
		return nil // the client is leaving
	}
	return err
}

func full(answer *http.Response) bool {
	return answer != nil && answer.StatusCode == http.StatusTooManyRequests
}

func (s *socket) close() {
	s.conn.Close()
	<-s.ended
}

func (s *socket) receive() {
	for {
		kind, data, err := s.conn.ReadMessage()
		if err != nil {
			s.end(err)
			return
		}
		if kind == websocket.BinaryMessage {
			data = describe(data)
		}
		if s.markers || !bytes.Contains(data, isMarker) {
			s.add(parse(data, s.groups))
		}
	}
}

// closing is the end of a socket as the recorder wrote it: 1006 when no close
// frame came.
func closing(err error) frame {
	var c struct {
		Code int `json:"code"`
	}
	c.Code = websocket.CloseAbnormalClosure
	var closed *websocket.CloseError
	if errors.As(err, &closed) {
		c.Code = closed.Code
	}
	text, _ := json.Marshal(c) // an integer
	return frame{text: text, lane: lane{kind: kindClose}}
}

func (s *socket) add(f frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addLocked(f)
}

// end adds how the socket ended, and says that it has: whoever takes the ending
// finds it gone.
func (s *socket) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.ended)
	s.addLocked(closing(err))
}

func (s *socket) addLocked(f frame) {
	s.lanes[f.lane] = append(s.lanes[f.lane], f)
	close(s.news)
	s.news = make(chan struct{})
}

// take removes the next frame of a lane, waiting for it.
func (s *socket) take(l lane, limit time.Duration) (frame, bool) {
	if !s.holds(l, limit) {
		return frame{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	first := s.lanes[l][0]
	s.lanes[l] = s.lanes[l][1:]
	return first, true
}

// holds waits until a frame of a lane was received, and leaves it there.
func (s *socket) holds(l lane, limit time.Duration) bool {
	timeout := time.After(limit)
	for {
		s.mu.Lock()
		waiting, news := len(s.lanes[l]), s.news
		s.mu.Unlock()
		if waiting > 0 {
			return true
		}
		select {
		case <-news:
		case <-timeout:
			return false
		}
	}
}

// rest lists what was received and not taken.
func (s *socket) rest() (frames []frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, waiting := range s.lanes {
		frames = append(frames, waiting...)
	}
	return frames
}

// gone says whether the socket has ended.
func (s *socket) gone() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}
