package conformance

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"walcast/internal/transcript"
	"walcast/presence"
	"walcast/protocol"
	"walcast/server"
)

// Upstream's limits of rates are averages over seconds and close channels, also
// those of clients that only listen. Here the sender is answered with an error,
// at once, and of presence updates above the rate the last one wins. So what the
// clients of those recordings sent is sent again, as fast as it goes, to a server
// with such limits, and no channel may end.

// offence is a recording of clients that run into a limit.
type offence struct {
	file, section string
	settings      func(*server.Config)
	reasons       []string // of the errors that the offender may get
	refused       int      // at least as many errors
}

var offences = []offence{
	{"12a-limit-events", "max_events_per_second", func(c *server.Config) { c.Gateway.MessagesPerSecond = 3 }, []string{"Too many messages per second"}, 20},
	{"12b-limit-joins", "max_joins_per_second", func(c *server.Config) { c.Gateway.JoinsPerSecond = 2 }, []string{"ClientJoinRateLimitReached: Too many joins per second"}, 20},
	{"12d-limit-presence", "six presence messages", slowPresence, nil, 0},
	{"12d-limit-presence", "presence events per second", slowPresence, nil, 0},
}

func slowPresence(c *server.Config) {
	c.Channels.PresenceRate = presence.Rate{Events: 1, Window: time.Second}
}

func TestLimitsHitTheSenderAndNobodyElse(t *testing.T) {
	for _, o := range offences {
		t.Run(o.section, func(t *testing.T) {
			t.Parallel()
			recording := transcript.Read(t, "../../testdata/transcripts/"+o.file+".jsonl")
			p := &player{T: t, stage: open(t, o.settings), tokens: recording.Tokens, made: map[string]string{}, sockets: map[string]*socket{}}
			for _, s := range recording.Sections {
				if strings.HasPrefix(s.Name, o.section) {
					p.offend(o, s)
				}
			}
		})
	}
}

// offend sends what was sent, and then checks what came.
func (p *player) offend(o offence, s transcript.Section) {
	sent := map[string]map[string]string{} // events by conn and ref
	for _, l := range s.Lines {
		switch l.Dir {
		case "open":
			var handshake struct{ URL string }
			if err := json.Unmarshal([]byte(p.fill(string(l.Frame))), &handshake); err != nil {
				p.Fatal(err)
			}
			p.sockets[l.Conn] = dial(p.T, &websocket.Dialer{}, "ws://"+p.stage.addr+handshake.URL, http.Header{}, listener{})
			sent[l.Conn] = map[string]string{}
		case ">":
			m, _ := messageOf(l.Frame)
			ref := strings.Trim(string(m.Ref), `"`)
			sent[l.Conn][ref] = m.Event
			if err := p.sockets[l.Conn].conn.WriteMessage(websocket.TextMessage, []byte(p.fill(string(l.Frame)))); err != nil {
				p.Fatalf("%s: send %s: %v", l.Conn, l.Frame, err)
			}
			if m.Event == protocol.EventJoin { // all are joined before the others speak
				p.awaitReply(l.Conn, m)
			}
		}
	}
	p.judge(o, sent)
}

func (p *player) awaitReply(conn string, m message) {
	at := lane{topic: string(m.Topic), kind: kindAnswer}
	if !p.sockets[conn].holds(at, patience) {
		p.Fatalf("%s: join of %s was not answered", conn, m.Topic)
	}
}

// judge wants an answer to every message that asks for one, the errors of the
// limit and no others, every channel and socket to stay, and everybody to hear
// of the broadcasts that were taken.
func (p *player) judge(o offence, sent map[string]map[string]string) {
	taken, heard, refused := 0, 0, 0
	conns := slices.SortedFunc(maps.Keys(sent), func(a, b string) int { // the listener last: all has been sent by then
		return cmp.Or(cmp.Compare(isListener(a), isListener(b)), cmp.Compare(a, b))
	})
	for _, conn := range conns {
		events := sent[conn]
		for _, f := range p.everything(conn) {
			m, ok := messageOf(f.text)
			switch {
			case !ok || m.Event == protocol.EventError:
				p.Errorf("%s got %s; want it to stay", conn, f.text)
			case m.Event == protocol.EventSystem && strings.Contains(string(m.Payload), `"error"`):
				p.Errorf("%s was told %s", conn, f.text)
			case m.Event == protocol.EventBroadcast && conn == "listener":
				heard++
			case m.Event != protocol.EventReply:
			case strings.Contains(string(m.Payload), `"status":"error"`):
				if refused++; !containsOne(string(m.Payload), o.reasons) {
					p.Errorf("%s got %s; want no such error", conn, f.text)
				}
			case conn == "pusher" && events[strings.Trim(string(m.Ref), `"`)] == protocol.EventBroadcast:
				taken++
			}
		}
	}
	if heard != taken || refused < o.refused {
		p.Errorf("of the broadcasts %d were taken and %d heard, %d messages were refused; want all heard that were taken and at least %d refused", taken, heard, refused, o.refused)
	}
}

func isListener(conn string) int { return strings.Count(conn, "listener") }

func containsOne(text string, parts []string) bool {
	for _, part := range parts {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

// everything is what a socket received, until a last heartbeat was answered.
func (p *player) everything(conn string) []frame {
	s := p.sockets[conn]
	heartbeat := fmt.Sprintf(`[null,%q,"phoenix","heartbeat",{}]`, lastRef)
	if conn == "listener" { // vsn 1.0.0
		heartbeat = fmt.Sprintf(`{"topic":"phoenix","event":"heartbeat","payload":{},"ref":%q}`, lastRef)
	}
	if err := s.conn.WriteMessage(websocket.TextMessage, []byte(heartbeat)); err != nil {
		p.Fatalf("%s: last heartbeat: %v", conn, err)
	}
	for {
		f, ok := s.take(lane{topic: `"phoenix"`, kind: kindAnswer}, patience)
		switch {
		case !ok:
			p.Fatalf("%s: heartbeat was not answered; got\n%s", conn, texts(s.rest()))
		case f.ref == lastRef:
			return s.rest()
		}
	}
}
