package conformance

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/gorilla/websocket"

	"walcast/internal/transcript"
)

// exchange is an HTTP request of a recording, and its answer.
type exchange struct {
	Request struct {
		Method, Path string
		Headers      map[string]string
		Body         json.RawMessage
	}
	Status int
	Body   json.RawMessage // a JSON string where the answer was not JSON; none if it does not matter
}

// request repeats a request and compares status and body of the answer. Of a
// body that is plain text only the status is upstream's promise.
func (p *player) request(l transcript.Line) {
	var asked exchange
	if err := json.Unmarshal([]byte(p.fill(string(l.Frame))), &asked); err != nil {
		p.Fatal(err)
	}
	if asked.Request.Method == "" {
		return // the answer to a handshake
	}
	for _, text := range expected(p.deviations, p.section.Name, l, p.used) { // none: it is not asked
		var want exchange
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			p.Fatalf("answer to %s %s: %v", asked.Request.Method, asked.Request.Path, err)
		}
		status, body := p.ask(asked)
		if status != want.Status {
			p.Errorf("%s %s %.300s = %d %.300s; want %d", asked.Request.Method, asked.Request.Path, asked.Request.Body, status, body, want.Status)
		}
		if len(want.Body) == 0 || want.Body[0] == '"' && string(want.Body) != `""` {
			continue
		}
		if len(body) == 0 {
			body = []byte(`""`)
		}
		if err := p.matcher.Match(want.Body, body); err != nil {
			p.Errorf("%s %s %.300s: %v", asked.Request.Method, asked.Request.Path, asked.Request.Body, err)
		}
	}
}

// refusedHandshake is the answer to a socket's handshake, if it was refused.
func refusedHandshake(conn string, rest []transcript.Line) (answer exchange, refused bool) {
	for _, l := range rest {
		if l.Conn == conn {
			return answer, l.Dir == "http" && json.Unmarshal(l.Frame, &answer) == nil
		}
	}
	return answer, false
}

func (p *player) wantRefused(target string, header http.Header, want exchange) {
	conn, answer, err := websocket.DefaultDialer.DialContext(p.Context(), strings.Replace(target, "http", "ws", 1), header)
	if err == nil {
		conn.Close()
		p.Fatalf("handshake %s was accepted; want %d", target, want.Status)
	}
	if answer == nil {
		p.Fatalf("handshake %s: %v", target, err)
	}
	body, err := io.ReadAll(answer.Body) // what the client library has kept of it
	if err != nil || answer.StatusCode != want.Status {
		p.Errorf("handshake %s = %d, %v; want %d", target, answer.StatusCode, err, want.Status)
	}
	if err := p.matcher.Match(want.Body, body); err != nil {
		p.Errorf("handshake %s: %v", target, err)
	}
}

func (p *player) ask(e exchange) (status int, body []byte) {
	path, query, _ := strings.Cut(e.Request.Path, "?")
	target := url.URL{Scheme: "http", Host: p.stage.addr, Path: path, RawQuery: query}
	if strings.Contains(path, "a b/c") { // recorded as decoded
		target.RawPath = strings.ReplaceAll(url.PathEscape(path), "%2F", "/")
		target.RawPath = strings.ReplaceAll(target.RawPath, "b/c", "b%2Fc")
	}
	r, err := http.NewRequestWithContext(p.Context(), e.Request.Method, target.String(), bytes.NewReader(p.bodyOf(e)))
	if err != nil {
		p.Fatal(err)
	}
	for name, value := range e.Request.Headers {
		r.Header.Set(name, value)
	}
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	answer, err := client.Do(r)
	if err != nil {
		p.Fatal(err)
	}
	defer answer.Body.Close()
	if body, err = io.ReadAll(answer.Body); err != nil {
		p.Fatal(err)
	}
	return answer.StatusCode, body
}

// bodyOf is the request's body as it was sent.
func (p *player) bodyOf(e exchange) []byte {
	var special struct {
		Hex *string `json:"binary_hex"`
		Raw *string `json:"text_raw"`
	}
	_ = json.Unmarshal(e.Request.Body, &special) // most bodies are neither
	switch {
	case special.Hex != nil:
		data, err := binaryInFull(*special.Hex)
		if err != nil {
			p.Fatal(err)
		}
		return data
	case special.Raw != nil:
		return []byte(inFull(*special.Raw))
	}
	return []byte(inFull(string(e.Request.Body)))
}
