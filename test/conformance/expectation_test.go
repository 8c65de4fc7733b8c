package conformance

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/gorilla/websocket"

	"walcast/internal/transcript"
	"walcast/protocol"
)

// expect notes a recorded frame, or what comes in its place.
func (p *player) expect(l transcript.Line) {
	if pong, ok := pongOf(l); ok {
		p.ping(l, pong)
	}
	for _, text := range expected(p.deviations, p.section.Name, l, func(i int) { p.met(l.Conn, i) }) {
		p.want(l.Conn, text)
		if m, ok := messageOf([]byte(text)); ok && m.Event == protocol.EventReply {
			if state := p.silent.answered(l, m); state != "" {
				p.wantState(l.Conn, state)
			}
		}
	}
}

// wantState wants the state that comes where upstream sends none, or what a
// deviation makes of it.
func (p *player) wantState(conn, state string) {
	line := transcript.Line{Conn: conn, Frame: []byte(state)}
	for _, text := range expected(p.deviations, p.section.Name, line, func(i int) { p.met(conn, i) }) {
		p.want(conn, text)
	}
}

// met notes that a deviation applies to a socket.
func (p *player) met(conn string, i int) {
	p.used(i)
	p.late[conn] = append(p.late[conn], p.deviations[i].last...)
}

// pongOf is the payload of a recorded pong.
func pongOf(l transcript.Line) (string, bool) {
	var control struct {
		Pong *string `json:"ws_pong"`
	}
	if json.Unmarshal(l.Frame, &control) != nil || control.Pong == nil {
		return "", false
	}
	return *control.Pong, true
}

// ping sends the ping that a recorded pong answers: it was not recorded.
func (p *player) ping(l transcript.Line, payload string) {
	err := p.sockets[l.Conn].conn.WriteControl(websocket.PingMessage, []byte(payload), time.Now().Add(patience))
	if err != nil {
		p.Fatalf("%s: ping: %v", l.Conn, err)
	}
}

func (p *player) want(conn, text string) {
	p.wanted[conn] = append(p.wanted[conn], want{text: text, lane: parse([]byte(text), p.grouped()).lane})
}

// ending closes a socket as its client did, or wants the server to close it.
func (p *player) ending(l transcript.Line) {
	var end struct {
		Code int
		By   string
	}
	if err := json.Unmarshal(l.Frame, &end); err != nil {
		p.Fatal(err)
	}
	if end.By == "client" {
		p.awaitRecorded()
		if end.Code == websocket.CloseNormalClosure {
			p.leave(l)
		}
		p.sockets[l.Conn].close()
		delete(p.sockets, l.Conn)
		return
	}
	for _, text := range expected(p.deviations, p.section.Name, transcript.Line{Conn: l.Conn, Frame: fmt.Appendf(nil, `{"code":%d}`, end.Code)}, p.used) {
		p.wanted[l.Conn] = append(p.wanted[l.Conn], want{text: text, lane: lane{kind: kindClose}})
	}
}

// leave sends a close frame and waits for the answer.
func (p *player) leave(l transcript.Line) {
	frame := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	s := p.sockets[l.Conn]
	if err := s.conn.WriteControl(websocket.CloseMessage, frame, time.Now().Add(patience)); err != nil {
		p.Fatalf("%s: close: %v", l.Conn, err)
	}
	select {
	case <-s.ended:
	case <-time.After(patience):
		p.Fatalf("%s: close was not answered", l.Conn)
	}
}

// awaitRecorded waits for what was recorded up to here.
func (p *player) awaitRecorded() {
	p.Helper()
	for name, wanted := range p.wanted {
		s := p.sockets[name]
		for _, w := range wanted {
			limit := patience
			if w.lane.kind == kindClose {
				limit += idleTimeout
			}
			got, ok := s.take(w.lane, limit)
			if !ok {
				p.Fatalf("%s: this did not come:\n%s\nwaiting are:\n%s", name, w.text, texts(s.rest()))
			}
			if w.lane.kind == kindClose && w.text == `{"code":1006}` && string(got.text) == `{"code":1009}` {
				continue // upstream reset the connection before its close frame was read
			}
			if err := p.matcher.Match([]byte(w.text), got.text); err != nil {
				p.Errorf("%s: %v\nrecorded %.2000s\ngot      %.2000s", name, err, w.text, got.text)
			}
		}
	}
	clear(p.wanted)
}

// lastRef is the ref of a heartbeat after which nothing more may come.
const lastRef = "last-heartbeat"

// wantSilence wants that nothing else was received. What a socket sent before
// is answered when its heartbeat is; rows have a moment to appear.
func (p *player) wantSilence() {
	p.Helper()
	for name, s := range p.sockets {
		if s.gone() {
			continue
		}
		heartbeat := []byte(`[null,"` + lastRef + `","phoenix","heartbeat",{}]`)
		if p.versions()[name] == "1.0.0" {
			heartbeat = []byte(`{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"` + lastRef + `"}`)
		}
		if err := s.conn.WriteMessage(websocket.TextMessage, heartbeat); err != nil {
			p.Fatalf("%s: send last heartbeat: %v", name, err)
		}
	}
	if p.wrote {
		p.stage.markers.pass(p.T)
	}
	<-time.After(quiet)
	for name, s := range p.sockets {
		var rest []frame
		for _, f := range s.rest() {
			if f.ref != lastRef {
				rest = append(rest, f)
			}
		}
		if len(rest) > 0 {
			p.Errorf("%s: not recorded:\n%s", name, texts(rest))
		}
	}
}

// versions of the section's sockets.
func (p *player) versions() map[string]string {
	versions := map[string]string{}
	for _, l := range p.section.Lines {
		if l.Vsn != "" {
			versions[l.Conn] = l.Vsn
		}
	}
	return versions
}
