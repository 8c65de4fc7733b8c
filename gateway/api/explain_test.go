package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"walcast/diagnose/explain"
	"walcast/replication"
)

// serveExplain is serve with somebody who answers questions.
func serveExplain(t *testing.T, e Explain, status replication.Status) *httptest.Server {
	t.Helper()
	return serveWith(t, Config{}, &fakeGateway{}, status, func(p *Parts) { p.Explain = e })
}

// question sends a request about a question.
func question(t *testing.T, s *httptest.Server, method, path, token, body string) (status int, answer string) {
	t.Helper()
	headers := map[string]string{}
	if token != "" {
		headers["Authorization"] = "Bearer " + token
	}
	status, _, answer = send(t, s, method, path, headers, strings.NewReader(body))
	return status, answer
}

func TestExplainAnswersTheServiceRoleAlone(t *testing.T) {
	asked := 0
	s := serveExplain(t, func(_ context.Context, q explain.Question) (explain.Answer, error) {
		asked++
		return explain.Answer{
			Database: "app", Version: "17.6", Subject: explain.Subject{Role: "anon", Claims: json.RawMessage(`{"role":"anon"}`)},
			Binding: explain.Binding{Table: q.Table, Event: "*", Checks: []explain.Check{{What: "join", Verdict: explain.Yes, Text: "it works"}}}, Gets: explain.GetsRows,
		}, nil
	}, replication.Status{})
	const answer = `{"database":"app","version":"17.6","subject":{"role":"anon","claims":{"role":"anon"}},"binding":{"table":"todos","event":"*","checks":[{"what":"join","verdict":"yes","text":"it works"}]},"gets":"rows"}`
	service := sign(t, "service_role")
	for _, c := range []struct {
		method, token, path, body, want string
		status                          int
	}{
		{http.MethodGet, "", "/api/explain?table=todos", "", `{"message":"Unauthorized"}`, http.StatusUnauthorized},
		{http.MethodPost, "", "/api/explain", `{"table":"todos"}`, `{"message":"Unauthorized"}`, http.StatusUnauthorized},
		{http.MethodGet, sign(t, "authenticated"), "/api/explain?table=todos", "", `{"message":"Forbidden: who gets which rows is told to the role service_role only"}`, http.StatusForbidden},
		{http.MethodPost, sign(t, "anon"), "/api/explain", `{"table":"todos"}`, `{"message":"Forbidden: who gets which rows is told to the role service_role only"}`, http.StatusForbidden},
		{http.MethodGet, service, "/api/explain?table=todos", "", answer, http.StatusOK},
		{http.MethodPost, service, "/realtime/v1/api/explain", `{"table":"todos"}`, answer, http.StatusOK},
		{http.MethodGet, service, "/api/explain?table=todos&token=x.y.z", "", `{"message":"Bad Request: a token is taken in the body of a POST only, as addresses are logged"}`, http.StatusBadRequest},
		{http.MethodGet, service, "/api/explain?table=todos&key=id", "", `{"message":"Bad Request: key: want column=value"}`, http.StatusBadRequest},
		{http.MethodPost, service, "/api/explain", `{"table":`, `{"message":"Bad Request: want an object such as {\"table\": \"public.orders\", \"role\": \"anon\", \"row\": {\"id\": 5}}"}`, http.StatusBadRequest},
		{http.MethodPost, service, "/api/explain", `{"tabel":"todos"}`, `{"message":"Bad Request: want an object such as {\"table\": \"public.orders\", \"role\": \"anon\", \"row\": {\"id\": 5}}"}`, http.StatusBadRequest},
		{http.MethodDelete, service, "/api/explain", "", "Not Found", http.StatusNotFound},
	} {
		if status, body := question(t, s, c.method, c.path, c.token, c.body); status != c.status || body != c.want {
			t.Errorf("%s %s answers %d with %s; want %d with %s", c.method, c.path, status, body, c.status, c.want)
		}
	}
	if asked != 2 {
		t.Errorf("%d questions were asked; want 2", asked)
	}
}

// TestExplainReadsQuestions from parameters as from a body.
func TestExplainReadsQuestions(t *testing.T) {
	var got explain.Question
	s := serveExplain(t, func(_ context.Context, q explain.Question) (explain.Answer, error) {
		got = q
		return explain.Answer{}, errors.New("look at the database: not done in time")
	}, replication.Status{})
	service := sign(t, "service_role")
	want := explain.Question{
		Table: "app.orders", Event: "UPDATE", Filter: "id=eq.5", Select: []string{"id", "note"}, Role: "anon", Claims: json.RawMessage(`{"sub":"x"}`), Action: "DELETE", Row: json.RawMessage(`{"id":5}`),
	}
	path := `/api/explain?table=app.orders&event=UPDATE&filter=id%3Deq.5&select=id,note&role=anon&claims={"sub":"x"}&action=DELETE&row={"id":5}`
	status, body := question(t, s, http.MethodGet, strings.ReplaceAll(path, `"`, "%22"), service, "")
	if diff := cmp.Diff(want, got); diff != "" || status != http.StatusServiceUnavailable || body != `{"message":"Service Unavailable: look at the database: not done in time"}` {
		t.Errorf("a GET is answered %d with %s; the question (-want +got):\n%s", status, body, diff)
	}
	encoded, _ := json.Marshal(want)
	if question(t, s, http.MethodPost, "/api/explain", service, string(encoded)); !cmp.Equal(want, got) {
		t.Errorf("of a POST the question is (-want +got):\n%s", cmp.Diff(want, got))
	}
	question(t, s, http.MethodGet, "/api/explain?table=t&role=anon&key=id%3D5&key=a%3Db%3Dc", service, "")
	if string(got.Key) != `{"a":"b=c","id":"5"}` {
		t.Errorf("of a GET the key is %s", got.Key)
	}
}

// TestExplainAnswersOnceAtATime: who comes meanwhile is told to wait, and may come again.
func TestExplainAnswersOnceAtATime(t *testing.T) {
	begun, end := make(chan struct{}), make(chan struct{})
	s := serveExplain(t, func(context.Context, explain.Question) (explain.Answer, error) {
		begun <- struct{}{}
		<-end
		return explain.Answer{Subject: explain.Subject{Claims: json.RawMessage(`{}`)}}, nil
	}, replication.Status{})
	service := sign(t, "service_role")
	first := make(chan int, 1)
	go func() {
		status, _ := question(t, s, http.MethodGet, "/api/explain?table=t", service, "")
		first <- status
	}()
	<-begun
	if status, body := question(t, s, http.MethodPost, "/api/explain", service, `{"table":"t"}`); status != http.StatusTooManyRequests || !strings.Contains(body, "another question is being answered") {
		t.Errorf("a second request is answered %d with %s", status, body)
	}
	close(end)
	if status := <-first; status != http.StatusOK {
		t.Errorf("the first request is answered %d", status)
	}
	go func() { <-begun }()
	if status, _ := question(t, s, http.MethodGet, "/api/explain?table=t", service, ""); status != http.StatusOK {
		t.Errorf("a request after it is answered %d", status)
	}
}

func TestAStandbyExplainsNothing(t *testing.T) {
	s := serveExplain(t, nil, replication.Status{Role: replication.RoleStandby})
	if status, body := question(t, s, http.MethodGet, "/api/explain?table=t", sign(t, "service_role"), ""); status != http.StatusServiceUnavailable || !strings.Contains(body, "stands by") {
		t.Errorf("it answers %d with %s", status, body)
	}
}
