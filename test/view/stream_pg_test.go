package view

import (
	"bufio"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// stream reads an event stream with a view of notes, and has the ids of the rows that it
// says there are.
type stream struct {
	t     *testing.T
	lines *bufio.Scanner
	close func()
	last  string // id of the newest event
	begun int    // snapshots
}

func (s *stage) stream(query, last string) *stream {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://"+s.addr+"/sse?topic=room&apikey="+anon.token(s.t)+"&table=notes&"+query, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != 200 {
		s.t.Fatalf("stream = %v, %v", resp, err)
	}
	r := &stream{t: s.t, lines: bufio.NewScanner(resp.Body), close: func() { resp.Body.Close() }}
	s.t.Cleanup(r.close)
	return r
}

// until reads up to data with a text, and returns what came up to there.
func (r *stream) until(text string) (data []string) {
	r.t.Helper()
	for r.lines.Scan() {
		field, value, _ := strings.Cut(r.lines.Text(), ": ")
		switch field {
		case "id":
			r.last = value
		case "data":
			data = append(data, value)
			if strings.Contains(value, `"snapshot_begin"`) {
				r.begun++
			}
			if strings.Contains(value, text) {
				return data
			}
		}
	}
	r.t.Fatalf("the stream ended before %s came: %q", text, data)
	return nil
}

func TestAViewOverAnEventStream(t *testing.T) {
	s := open(t, notes, nil)
	defer http.DefaultClient.CloseIdleConnections()
	p := s.connect()
	r := s.stream("view=true&filter="+url.QueryEscape("room=eq.1"), "")
	if data := r.until(`"snapshot_end"`); !strings.Contains(data[len(data)-1], `"keys":3`) {
		t.Errorf("the snapshot ends with %s; want 3 keys", data[len(data)-1])
	}
	p.exec(`update notes set room = 2 where id = 1`)
	if data := r.until(`"type":"DELETE"`); !strings.Contains(data[len(data)-1], `"old_record":{"id":1},"errors":null`) || !strings.Contains(data[len(data)-1], `"cause":"UPDATE"`) {
		t.Errorf("a row that leaves comes as %s", data[len(data)-1])
	}
	r.until(`"commit_timestamp"`)
	r.close()
	p.exec(`update notes set room = 1 where id = 2`)
	again := s.stream("view=true&filter="+url.QueryEscape("room=eq.1"), r.last)
	data := again.until(`"commit_timestamp":`)
	if text := fmt.Sprint(data); again.begun > 0 || !strings.Contains(text, `"record":{"id":2,"room":1,`) || !strings.Contains(text, `"cause":"UPDATE"`) || strings.Contains(text, `"id":1,`) {
		t.Errorf("a stream that goes on got %d snapshots, and %s; want none, and row 2", again.begun, text)
	}
}
