package conformance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"walcast/internal/transcript"
)

// TestFiltersHaveTheRecordedOutcomes puts each recorded filter on a channel of
// its own and inserts the recorded rows: the running server, matching through
// its index, delivers those that upstream delivered.
func TestFiltersHaveTheRecordedOutcomes(t *testing.T) {
	filters, inserts := recordedOutcomes(t)
	stage := open(t, nil)
	s := stage.dialAs(t, "service_role")
	for i, f := range filters {
		join := fmt.Sprintf(`["1","1","realtime:f%d","phx_join",{"config":{"presence":{"enabled":false},"postgres_changes":[`+
			`{"event":"INSERT","schema":"public","table":"tr_f","filter":%s},{"event":"INSERT","schema":"public","table":%q}]}}]`, i, quoted(f.Filter), markerTable)
		if err := s.conn.WriteMessage(websocket.TextMessage, []byte(join)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range filters {
		filters[i].refused = s.toldOf(t, i)
	}
	for _, insert := range inserts {
		stage.db.Exec(insert)
	}
	stage.markers.pass(t)
	met := 0
	for i, f := range filters {
		want := fmt.Sprint(f.Rows)
		if differs, ok := filterOutcomes[f.Filter]; ok {
			want = differs.outcome
			met++
		}
		if f.refused != f.Refused {
			t.Errorf("%s is refused with %q; want %q", f.Filter, f.refused, f.Refused)
		}
		if got := fmt.Sprint(s.rowsOf(t, i, f.refused)); f.refused == "" && got != want {
			t.Errorf("%s lets through %s; want %s", f.Filter, got, want)
		}
	}
	if len(filters) != 166 || met != len(filterOutcomes) {
		t.Errorf("%d filters, %d outcomes of our own met; want 166 and %d", len(filters), met, len(filterOutcomes))
	}
}

type recordedOutcome struct {
	Filter, Refused string
	Rows            []int
	refused         string // here
}

// recordedOutcomes are the recorded filters, and statements that insert the rows
// they were tried on.
func recordedOutcomes(t *testing.T) (filters []recordedOutcome, inserts []string) {
	t.Helper()
	for _, section := range transcript.Read(t, "../../testdata/transcripts/05-filters.jsonl").Sections {
		if !strings.HasPrefix(section.Name, filterOmissions[0].section) {
			continue
		}
		for _, l := range section.Lines {
			var row struct {
				Row    int
				Values map[string]string
			}
			var outcome recordedOutcome
			if json.Unmarshal(l.Frame, &row) != nil || json.Unmarshal(l.Frame, &outcome) != nil {
				t.Fatalf("not a result: %s", l.Frame)
			}
			if row.Row == 0 {
				filters = append(filters, outcome)
				continue
			}
			names, values := []string{"id"}, []string{fmt.Sprint(row.Row)}
			for name, value := range row.Values {
				names, values = append(names, name), append(values, value)
			}
			inserts = append(inserts, fmt.Sprintf("insert into tr_f (%s) values (%s)", strings.Join(names, ", "), strings.Join(values, ", ")))
		}
	}
	return filters, inserts
}

func quoted(s string) string {
	b, _ := json.Marshal(s) // is a string
	return string(b)
}

// dialAs connects as a role, and gets markers too.
func (s *stage) dialAs(t *testing.T, role string) *socket {
	t.Helper()
	token := transcript.Token{Name: role, Header: []byte(`{"alg":"HS256"}`), Claims: []byte(`{"role":"` + role + `","exp":"now+3600"}`)}
	made, err := token.Make(secret, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return dial(t, &websocket.Dialer{}, "ws://"+s.addr+"/socket/websocket?vsn=2.0.0&apikey="+made, http.Header{}, listener{markers: true})
}

// toldOf is why the filter of a channel is refused, "" if it is not.
func (s *socket) toldOf(t *testing.T, channel int) string {
	t.Helper()
	topic := fmt.Sprintf(`"realtime:f%d"`, channel)
	for {
		f, ok := s.take(lane{topic: topic, kind: kindSystem}, patience)
		if !ok {
			t.Fatalf("channel f%d is not told whether its filter works", channel)
		}
		var told [5]json.RawMessage
		var payload struct{ Status, Message string }
		if json.Unmarshal(f.text, &told) != nil || json.Unmarshal(told[4], &payload) != nil {
			t.Fatalf("not a system event: %s", f.text)
		}
		switch {
		case payload.Status != "ok":
			return payload.Message
		case payload.Message == subscribed:
			return ""
		}
	}
}

// rowsOf are the rows that came on a channel before the marker.
func (s *socket) rowsOf(t *testing.T, channel int, refused string) (rows []int) {
	t.Helper()
	rows = []int{}
	for refused == "" {
		f, ok := s.take(lane{topic: fmt.Sprintf(`"realtime:f%d"`, channel), kind: kindChange}, patience)
		if !ok {
			t.Fatalf("channel f%d: no marker; rows so far %v", channel, rows)
		}
		var parts [5]json.RawMessage
		var payload struct {
			Data struct {
				Table  string
				Record struct{ ID int }
			}
		}
		if json.Unmarshal(f.text, &parts) != nil || json.Unmarshal(parts[4], &payload) != nil {
			t.Fatalf("not a change: %s", f.text)
		}
		if payload.Data.Table == markerTable {
			break
		}
		rows = append(rows, payload.Data.Record.ID)
	}
	slices.Sort(rows)
	return rows
}
