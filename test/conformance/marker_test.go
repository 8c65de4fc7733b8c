package conformance

import (
	"bytes"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"walcast/internal/transcript"
)

// markers are rows of a table of our own. When one arrives, everything that was
// written before it is in the log.
type markers struct {
	mu       sync.Mutex
	stage    *stage
	observer *socket
	last     int
}

// markerTable is published, and left out of what sockets receive.
const markerTable = "conformance_marker"

var isMarker = []byte(`"table":"` + markerTable + `"`)

// observe starts to listen for markers.
func observe(t *testing.T, s *stage) *markers {
	t.Helper()
	s.db.Exec("create table " + markerTable + " (id int primary key); grant select on " + markerTable + " to service_role; alter publication supabase_realtime add table " + markerTable)
	token := transcript.Token{Name: "markers", Header: []byte(`{"alg":"HS256"}`), Claims: []byte(`{"role":"service_role","exp":"now+3600"}`)}
	made, err := token.Make(secret, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	m := &markers{stage: s}
	m.observer = dial(t, &websocket.Dialer{}, "ws://"+s.addr+"/socket/websocket?vsn=2.0.0&apikey="+made, http.Header{}, listener{markers: true})
	join := fmt.Sprintf(`["1","1","realtime:markers","phx_join",{"config":{"presence":{"enabled":false},"postgres_changes":[{"event":"INSERT","schema":"public","table":%q}]}}]`, markerTable)
	if err := m.observer.conn.WriteMessage(websocket.TextMessage, []byte(join)); err != nil {
		t.Fatal(err)
	}
	if _, ok := m.observer.take(lane{topic: `"realtime:markers"`, kind: kindSystem}, patience); !ok {
		t.Fatalf("not subscribed to markers; got\n%s", texts(m.observer.rest()))
	}
	return m
}

// pass waits until everything written so far is in the log.
func (m *markers) pass(t *testing.T) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last++
	m.stage.db.Exec(fmt.Sprintf("insert into %s values (%d)", markerTable, m.last))
	got, ok := m.observer.take(lane{topic: `"realtime:markers"`, kind: kindChange}, patience)
	if !ok || !bytes.Contains(got.text, fmt.Appendf(nil, `"record":{"id":%d}`, m.last)) {
		t.Fatalf("marker %d did not come, but %s", m.last, got.text)
	}
}
