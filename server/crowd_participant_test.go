package server

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// participant is one client of a crowd. It does as little as it can, since it runs on
// the processors that the server is measured on.
type participant struct {
	conn    net.Conn
	in      *bufio.Reader
	payload []byte
	took    time.Duration // from join to joined
	frames  int64         // since; atomic while it listens
	bytes   int64
}

// signed is a token that the server takes.
func signed(role, sub string) string {
	claims := jwt.MapClaims{"role": role, "exp": time.Now().Add(time.Hour).Unix()}
	if sub != "" {
		claims["sub"] = sub
	}
	s, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(testSecret))
	if err != nil {
		panic(err) // only for a secret of another type
	}
	return s
}

// enter opens a session with the headers that a browser sends.
func enter(address, token string) (*participant, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	m := &participant{conn: conn, in: bufio.NewReaderSize(conn, 2<<10)}
	_, err = fmt.Fprintf(conn, "GET /realtime/v1/websocket?apikey=%s&vsn=2.0.0 HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\n"+
		"Pragma: no-cache\r\nCache-Control: no-cache\r\nUser-Agent: Mozilla/5.0\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nAccept-Encoding: gzip, deflate\r\nAccept-Language: en\r\n"+
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", token, address)
	if err != nil {
		return nil, err
	}
	for first := true; ; first = false {
		line, err := m.in.ReadString('\n')
		if err != nil || first && !strings.HasPrefix(line, "HTTP/1.1 101") {
			return nil, fmt.Errorf("handshake: %q, %w", line, err)
		}
		if line == "\r\n" {
			return m, nil
		}
	}
}

// join returns when the server has answered, or armed the bindings.
func (m *participant) join(topic, payload string, armed bool) error {
	sign := `"phx_reply"`
	if armed {
		sign = "Subscribed to PostgreSQL"
	}
	start := time.Now()
	_ = m.conn.SetReadDeadline(start.Add(3 * patience))
	defer m.conn.SetReadDeadline(time.Time{})
	if err := m.send(opText, `["1","1","`+topic+`","phx_join",`+payload+`]`); err != nil {
		return err
	}
	for {
		text, err := m.next()
		switch {
		case err != nil:
			return fmt.Errorf("join: %w", err)
		case bytes.Contains(text, []byte(`"status":"error"`)):
			return fmt.Errorf("join: %s", text)
		case bytes.Contains(text, []byte(sign)):
			m.took = time.Since(start)
			return nil
		}
	}
}

// listen calls got for every frame, until the session ends.
func (m *participant) listen(got func()) error {
	for {
		text, err := m.next()
		if err != nil {
			return err
		}
		if bytes.Contains(text, []byte(`"system"`)) {
			return fmt.Errorf("instead of a change: %s", text)
		}
		atomic.AddInt64(&m.frames, 1)
		got()
	}
}

// meet joins, tracks with the reply as supabase-js does, and returns when it has
// seen all participants. Frames and bytes are those of presence.
func (m *participant) meet(topic string, i, participants int) error {
	key := fmt.Sprintf("participant-%06d", i)
	if err := m.join(topic, `{"config":{"presence":{"key":"`+key+`","enabled":true}}}`, false); err != nil {
		return err
	}
	if err := m.send(opText, `["1","2","`+topic+`","presence",{"type":"presence","event":"track","payload":{"user":"`+key+`","online_at":"2026-01-01T00:00:00.000Z"}}]`); err != nil {
		return err
	}
	seen := make([]bool, participants)
	for missing := participants; missing > 0; {
		text, err := m.next()
		if err != nil {
			return err
		}
		if !bytes.Contains(text[:min(80, len(text))], []byte(`"presence_`)) {
			continue // the reply to track
		}
		m.frames++
		m.bytes += int64(len(text))
		missing -= mark(seen, text)
	}
	return nil
}

// mark notes the participants whose keys are in the text, and counts the new ones.
func mark(seen []bool, text []byte) (fresh int) {
	begin := []byte(`"participant-`)
	for {
		at := bytes.Index(text, begin)
		if at < 0 {
			return fresh
		}
		text = text[at+len(begin):]
		i, err := strconv.Atoi(string(text[:6]))
		if err == nil && bytes.HasPrefix(text[6:], []byte(`":`)) && !seen[i] { // a key, not a value
			seen[i] = true
			fresh++
		}
	}
}

const (
	opText  = 0x1
	opClose = 0x8
	opPing  = 0x9
	opPong  = 0xA
)

// next returns the next text, valid until the one after, and answers pings.
func (m *participant) next() ([]byte, error) {
	for {
		op, err := m.frame()
		switch {
		case err != nil:
			return nil, err
		case op == opText:
			return m.payload, nil
		case op == opPing:
			if err := m.send(opPong, string(m.payload)); err != nil {
				return nil, err
			}
		case op == opClose:
			return nil, errors.New("closed: " + string(m.payload))
		}
	}
}

// frame reads one frame of the server, which neither masks nor divides them.
func (m *participant) frame() (op byte, err error) {
	head := make([]byte, 8)
	if _, err := io.ReadFull(m.in, head[:2]); err != nil {
		return 0, err
	}
	op = head[0] & 0xF
	size := uint64(head[1])
	switch size {
	case 126:
		_, err = io.ReadFull(m.in, head[:2])
		size = uint64(binary.BigEndian.Uint16(head))
	case 127:
		_, err = io.ReadFull(m.in, head)
		size = binary.BigEndian.Uint64(head)
	}
	if err != nil {
		return 0, err
	}
	if uint64(cap(m.payload)) < size {
		m.payload = make([]byte, size)
	}
	m.payload = m.payload[:size]
	_, err = io.ReadFull(m.in, m.payload)
	return op, err
}

// send writes a frame whose mask is zero, so that masking changes nothing.
func (m *participant) send(op byte, text string) error {
	frame := []byte{0x80 | op}
	switch {
	case len(text) < 126:
		frame = append(frame, 0x80|byte(len(text)))
	default:
		frame = binary.BigEndian.AppendUint16(append(frame, 0x80|126), uint16(len(text)))
	}
	frame = append(append(frame, 0, 0, 0, 0), text...)
	_, err := m.conn.Write(frame)
	return err
}
